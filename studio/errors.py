"""One tree of errors: what happened, then what to do.

    StudioError
    ├── ConfigError             a setting is out of bounds, or two settings contradict each other
    │   └── DivergedError       the loss is no longer a number
    ├── DataError               a manifest, a label, a prompt list or a split cannot be used
    │   ├── AudioError          a sound file or a recording cannot be used
    │   │   └── TooLargeError   more was sent than is accepted
    │   └── ConflictError       what was to be changed or undone was changed meanwhile
    ├── ModelError              a base model or an adapter cannot be used
    │   ├── HubUnreachableError the Hugging Face Hub does not answer
    │   └── UnknownModelError   a program asked for a model that is not served
    ├── DeviceError             a microphone, a GPU or a program of the system is missing or refuses
    ├── DiskError               the file system refused a read or a write
    ├── JobError                a run cannot be started, followed, stopped or resumed
    │   ├── BusyError           another run is going on
    │   │   └── OverloadedError too many requests are waiting
    │   └── UnreachableError    a cluster does not answer
    └── CancelledError          a person asked the work to stop
        └── StopRequested       a run should stop at this step

Each class carries its HTTP status, the code of OpenAI's interface and the exit code of the command line. The command
line prints `str(error)`; the page shows it next to what caused it. Neither shows a traceback.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal


def printable(text: str) -> str:
    """`text` as any output can hold it: of a file name that is not UTF-8, the other bytes become `\\xe9`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode().replace("\\udc", "\\x")
    return text


class StudioError(Exception):
    """Something a person can fix: `what` happened, and the `remedy`, each a sentence."""

    status: ClassVar[int] = 400  # of an HTTP answer
    api_code: ClassVar[str] = "invalid_request"  # in OpenAI's interface
    exit_code: ClassVar[int] = 1  # of the command line

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what, self.remedy = printable(what), printable(remedy)
        super().__init__(self.what, self.remedy)

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()

    @property
    def code(self) -> str:
        """The machine's name for this kind of error: the class name."""
        return type(self).__name__

    def as_json(self) -> dict[str, Any]:
        """The error as another process or the page reads it; `from_json` is the way back."""
        return {"what": self.what, "remedy": self.remedy, "code": self.code}


class ConfigError(StudioError):
    """A setting is out of bounds, or two settings contradict each other."""


class DivergedError(ConfigError):
    """The loss is no longer a number. The weights are still those of the step before."""


class DataError(StudioError):
    """A manifest, a label, a prompt list or a split cannot be used."""


class AudioError(DataError):
    """A sound file or a recording cannot be used."""


class TooLargeError(AudioError):
    """More was sent than is accepted."""

    status = 413
    api_code = "too_large"


class ConflictError(DataError):
    """What was to be changed or undone was changed meanwhile; `clip` is what it is now, where it is one clip."""

    status = 409

    def __init__(self, what: str, remedy: str = "", clip: Mapping[str, Any] | None = None) -> None:
        super().__init__(what, remedy)
        self.clip = clip

    def as_json(self) -> dict[str, Any]:
        """The same, with the clip as it is now."""
        return super().as_json() | {"clip": self.clip}


class ModelError(StudioError):
    """A base model or an adapter cannot be used."""


class HubUnreachableError(ModelError):
    """The Hugging Face Hub does not answer, or a network in between refuses it."""

    status = 502


class UnknownModelError(ModelError):
    """A program asked for a model that is not served."""

    status = 404
    api_code = "model_not_found"


class DeviceError(StudioError):
    """A microphone, a GPU or a program of the system is missing or refuses."""


class DiskError(StudioError):
    """The file system refused a read or a write."""

    status = 507
    api_code = "disk_full"


class JobError(StudioError):
    """A run cannot be started, followed, stopped or resumed."""

    status = 409


class BusyError(JobError):
    """Another run is going on: this one would have to wait its turn."""


class OverloadedError(BusyError):
    """Too many requests are waiting; the same request can succeed in a few seconds."""

    status = 503
    api_code = "server_busy"


class UnreachableError(JobError):
    """A cluster does not answer; it may do so again."""

    status = 502


class CancelledError(StudioError):
    """A person asked the work to stop. What was done until then is kept."""

    status = 409
    exit_code = 143  # as after SIGTERM

    def __init__(self, what: str = "The work was cancelled.", remedy: str = "") -> None:
        super().__init__(what, remedy)


StopReason = Literal["stop and save", "discard", "interrupted"]


class StopRequested(CancelledError):  # noqa: N818 - a request, and no error of the run
    """Raised wherever a run can stop, when it should."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(f"The run was asked to stop: {reason}.", "Resume it to go on.")
        self.reason = reason


def all_kinds(root: type[StudioError] = StudioError) -> Iterator[type[StudioError]]:
    """Every class of the tree, parents first."""
    yield root
    for kind in root.__subclasses__():
        yield from all_kinds(kind)


def from_json(error: Mapping[str, str]) -> StudioError:
    """The error that another process sent by `as_json`, of the same class."""
    kinds = {kind.__name__: kind for kind in all_kinds()}
    made = kinds.get(error["code"], StudioError)
    found = made.__new__(made)
    StudioError.__init__(found, error["what"], error["remedy"])
    return found
