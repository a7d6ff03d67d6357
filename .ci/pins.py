"""Renew constraints.txt, the exact versions that both make commands install, and print what moved: `make pins`.

The file holds for every supported Python on Linux and macOS. PyTorch stays where it is unless a version is given
(`make pins PINS="torch==2.14.1"`), since each build of it is large and needs a look of its own. What only PyTorch's
CUDA builds need is left out: those builds name it themselves, to the digit.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FILE = PROJECT / "constraints.txt"
HEAD = "# Written by `make pins`. The versions that `make studio` and `make test` install.\n"
EXTRAS = ("test", "coreml", "executorch")  # the first brings every other extra that the tests need
BROUGHT_BY_CUDA = re.compile(r"nvidia-|cuda-|triton")
PIN = re.compile(r"([\w.-]+)==(\S+)")
Pins = dict[str, str]


def main(asked: list[str]) -> None:
    """Resolve, write the file, and print a line for each package that came, went or moved."""
    before = pins(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    after = resolved(asked or [f"torch=={before[name]}" for name in before if name == "torch"])
    FILE.write_text(HEAD + "".join(f"{name}=={version}\n" for name, version in after.items()), encoding="utf-8")
    print("\n".join(changes(before, after)) or "Every pin is the newest already.")


def resolved(asked: list[str]) -> Pins:
    """One version of each package that fits every supported Python and platform: a constraint needs no marker then."""
    extras = [part for extra in EXTRAS for part in ("--extra", extra)]
    command = ["uv", "pip", "compile", "pyproject.toml", "-", "--universal", "--python-version", "3.11", "--quiet"]
    shape = ["--fork-strategy", "fewest", "--no-header", "--no-annotate"]
    given = "\n".join(["uv", *asked])
    found = subprocess.run([*command, *extras, *shape], cwd=PROJECT, input=given, text=True, stdout=subprocess.PIPE)
    if found.returncode:
        sys.exit("The pins are as they were: uv found no set of versions that fits. Its reason is above.")
    return pins(found.stdout)


def pins(text: str) -> Pins:
    """The version of each package in a list of requirements. Exits where one has several."""
    found: Pins = {}
    for name, version in PIN.findall(text):
        if BROUGHT_BY_CUDA.match(name):
            continue
        if found.setdefault(name, version) != version:
            sys.exit(f"{name} would need two versions, {found[name]} and {version}: bound it in pyproject.toml.")
    return found


def changes(before: Pins, after: Pins) -> list[str]:
    """A line for each package whose version differs."""
    moved = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return [f"{name}: {before.get(name, 'none')} → {after.get(name, 'none')}" for name in moved]


if __name__ == "__main__":
    main(sys.argv[1:])
