"""Which layers of a model a regular expression names, found in bounded time.

A regular expression can take longer than the age of the universe, and Python's engine cannot be interrupted: one that
a person or a file brings is tried in a process of its own, with a limit on its processor time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache

SECONDS = 2  # of processor time, for all names together
_PATIENCE = 60.0  # seconds, on a machine that is busy with other things
_TRY = f"""
import json, re, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
patterns, names = json.load(sys.stdin)
try:
    tries = [re.compile(pattern).fullmatch for pattern in patterns]
except (re.error, RecursionError, OverflowError) as error:
    json.dump(str(error), sys.stdout)
else:
    json.dump([name for name in names if any([matches(name) for matches in tries])], sys.stdout)
"""


def matching(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Those of `names` that at least one of `patterns` matches whole.

    Raises ValueError, with the reason, where a pattern is not a regular expression or takes more than SECONDS.
    """
    return list(_matching(tuple(patterns), tuple(names)))


@lru_cache(maxsize=16)  # the page asks at every change of a setting
def _matching(patterns: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        tried = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _TRY],
            input=json.dumps([patterns, names]), capture_output=True, text=True, timeout=_PATIENCE, check=False,
            start_new_session=True,  # a run is stopped by a signal to its group: that would count as too slow
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ValueError(_too_slow()) from None
    if tried.returncode:
        raise ValueError(_too_slow())
    found = json.loads(tried.stdout)
    if isinstance(found, str):
        raise ValueError(f"is not a regular expression ({found})")
    return tuple(found)


def _too_slow() -> str:
    return f"takes more than {SECONDS} s to match against the names of the model's layers"
