"""`python -m studio.cli.ready`: a trainer that imports its libraries, and then waits for its run.

    -> {"arguments": ["train", …], "folder": "…", "environment": {…}, "log": "…"}

It gets that line from its supervisor (see `studio.runs.ready`). If the supervisor exits without one, so does this.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress

from studio.cli import main, set_environment
from studio.errors import StudioError


def wait() -> None:
    """Import, wait, and then be `studio` with the given arguments, in the given folder, with that log."""
    set_environment()
    _import_libraries()
    if line := sys.stdin.readline():
        given = json.loads(line)
        _enter(given["folder"], given["environment"], given["log"])
        sys.argv = ["studio", *given["arguments"]]
        main(given["arguments"])


def _import_libraries() -> None:
    """All that a run needs, by way of the model that the page offers first."""
    import studio.train.finetune  # noqa: F401
    from studio.config import AUTO, preset
    from studio.models import load
    from studio.models.catalogue import default_model
    from studio.models.precision import pick_precision
    from studio.train.adapted import with_adapter

    model = default_model()
    with suppress(StudioError):  # a run on it will say why
        base = load(model)
        pick_precision(AUTO, model, base.device)
        with_adapter(base, preset("quick", dataset="none", model=model))


def _enter(folder: str, environment: dict[str, str], log: str) -> None:
    """Be where the supervisor would have started the command: its folder, its variables, its output in the log."""
    os.environ.update(environment)
    os.chdir(folder)
    for path, flags, descriptors in ((os.devnull, os.O_RDONLY, (0,)), (log, os.O_WRONLY | os.O_APPEND, (1, 2))):
        opened = os.open(path, flags)
        for descriptor in descriptors:
            os.dup2(opened, descriptor)
        os.close(opened)


if __name__ == "__main__":
    wait()
