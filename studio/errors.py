"""One tree of errors: what happened, then what to do.

    StudioError
    ├── ConfigError      a setting is out of bounds, or two settings contradict each other
    ├── DataError        a manifest, a label, a prompt list or a split cannot be used
    │   ├── AudioError   a sound file or a recording cannot be used
    │   └── ConflictError  what was to be changed or undone was changed meanwhile
    ├── ModelError       a base model or an adapter cannot be used
    ├── DeviceError      a microphone, a GPU or a program of the system is missing or refuses
    ├── DiskError        the file system refused a read or a write
    └── JobError         a run cannot be started, followed, stopped or resumed
        └── BusyError    another run is going on

The command line prints `str(error)` and exits with 1; the page shows it where the eye is. Neither shows a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def printable(text: str) -> str:
    """`text` as any output can hold it: of a file name that is not UTF-8, the other bytes become `\\xe9`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode().replace("\\udc", "\\x")
    return text


class StudioError(Exception):
    """Something a person can mend: `what` happened, and the `remedy`, each a sentence."""

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what, self.remedy = printable(what), printable(remedy)
        super().__init__(self.what, self.remedy)

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()

    @property
    def code(self) -> str:
        """The machine's name for this kind of error: the class name."""
        return type(self).__name__


class ConfigError(StudioError):
    """A setting is out of bounds, or two settings contradict each other."""


class DataError(StudioError):
    """A manifest, a label, a prompt list or a split cannot be used."""


class AudioError(DataError):
    """A sound file or a recording cannot be used."""


class ConflictError(DataError):
    """What was to be changed or undone was changed meanwhile; `clip` is what it is now, where it is one clip."""

    def __init__(self, what: str, remedy: str = "", clip: Mapping[str, Any] | None = None) -> None:
        super().__init__(what, remedy)
        self.clip = clip


class ModelError(StudioError):
    """A base model or an adapter cannot be used."""


class DeviceError(StudioError):
    """A microphone, a GPU or a program of the system is missing or refuses."""


class DiskError(StudioError):
    """The file system refused a read or a write."""


class JobError(StudioError):
    """A run cannot be started, followed, stopped or resumed."""


class BusyError(JobError):
    """Another run is going on: this one would have to wait its turn."""
