"""Warnings of other packages: they go to a run's log, never to a person's terminal."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FORMAT = "%(asctime)s %(name)s: %(message)s"


def hide_warnings() -> None:
    """Keep what other packages warn of off this process's terminal. `python -W` and $PYTHONWARNINGS show it again."""
    if sys.warnoptions:
        return
    warnings.showwarning = lambda *_, **__: None
    logging.getLogger().addHandler(logging.NullHandler())  # else loggers without a handler print to stderr
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)  # PyTorch has a handler of its own for these
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # read when transformers is imported


@contextmanager
def warnings_in(log: Path) -> Iterator[None]:
    """Within the block, append warnings and the loggers' warnings to the file `log`."""
    handler = logging.FileHandler(log, encoding="utf-8", delay=True)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter(_FORMAT))
    shown, root = warnings.showwarning, logging.getLogger()

    def append(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(warnings.formatwarning(message, category, filename, lineno))

    warnings.showwarning = append
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        warnings.showwarning = shown
