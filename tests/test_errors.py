"""Why something failed, in words that a person can use."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest
from pydantic_core import ErrorDetails
from pydantic_core._pydantic_core import list_all_errors

from studio import errors
from studio.data.store import lines
from studio.data.utterance import Utterance
from studio.errors import AudioError, BusyError, ConflictError, DataError, StudioError, TooLargeError
from studio.faults import first_fault, plain_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (RuntimeError("Max retries exceeded ('<x>: [Errno 111] Connection refused'))"), "Connection refused"),
        (ValueError("the first line.\nthe second"), "the first line"),
        (
            ConnectionError("Refused by the server:\nTraceback …\n  x\nOSError: it is full."),
            "Refused by the server: OSError: it is full",
        ),
        (ConnectionError(""), "no reason was given"),
    ],
)
def test_the_reason_is_the_systems_own_words_without_numbers(error: Exception, reason: str) -> None:
    assert plain_reason(error) == reason


class Wrong:
    """A fault as pydantic tells it."""

    def __init__(self, kind: str, message: str, facts: dict[str, object]) -> None:
        self.told = ErrorDetails(type=kind, loc=("body", "rank"), msg=message, input=0, ctx=facts)

    def errors(self) -> list[ErrorDetails]:
        return [self.told]


@pytest.mark.parametrize("kind", list_all_errors(), ids=lambda kind: kind["type"])
def test_no_fault_is_told_in_pydantics_own_words(kind: dict[str, object]) -> None:
    message = str(kind["example_message_python"])
    fault = first_fault(Wrong(str(kind["type"]), message, dict(kind["example_context"] or {})))  # type: ignore[call-overload]
    assert fault.field == ("" if kind["type"] == "json_invalid" else "body.rank"), "the place in a text is no field"
    assert fault.reason
    if kind["type"] not in ("value_error", "assertion_error"):  # the words of our own validators
        assert message not in fault.reason
        assert "Input should" not in fault.reason


def test_a_clip_that_cannot_be_saved_names_its_field_the_reason_and_what_to_do() -> None:
    with pytest.raises(DataError) as error:
        lines.checked(Utterance, id="a", audio_filepath="clips/a.wav", text="yes", duration=-1.0)
    assert str(error.value) == (
        "The clip was not saved: duration: must be greater than 0 (it was -1.0). Correct it and save again."
    )
    assert lines.parse(b'{"id": "a", "text": "yes", "duration": 1}') == "audio_filepath: is missing"
    assert lines.parse(b"{") == "is not JSON"
    assert isinstance(lines.parse(b'{"id":"a","audio_filepath":"clips/a.wav","text":"yes","duration":1}'), Utterance)


PACKAGE = Path(errors.__file__).parent
STATUS = {
    "StudioError": 400, "ConfigError": 400, "DivergedError": 400, "DataError": 400, "AudioError": 400,
    "TooLargeError": 413, "ConflictError": 409, "ModelError": 400,
    "HubUnreachableError": 502, "UnknownModelError": 404, "DeviceError": 400,
    "DiskError": 507, "JobError": 409, "BusyError": 409, "OverloadedError": 503, "UnreachableError": 502,
    "CancelledError": 409, "StopRequested": 409,
}  # fmt: skip


def test_every_exception_of_the_package_is_in_the_tree_that_the_docstring_draws() -> None:
    elsewhere = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and path.name != "errors.py":
                bases = " ".join(map(ast.unparse, node.bases))
                if bases.endswith(("Error", "Exception", "Exit", "Requested")):
                    elsewhere.append(f"{path}: {node.name}({bases})")
    assert elsewhere == []
    assert all(f" {name}" in (errors.__doc__ or "") for name in STATUS)


def test_every_class_carries_its_http_status_and_exit_code() -> None:
    assert {kind.__name__: kind.status for kind in errors.all_kinds()} == STATUS
    assert {kind.__name__: kind.exit_code for kind in errors.all_kinds() if kind.exit_code != 1} == {
        "CancelledError": 143,
        "StopRequested": 143,
    }


@pytest.mark.parametrize(
    "error", [AudioError("No sound.", "Record again."), TooLargeError("Too large."), BusyError("Busy.", "Wait.")]
)
def test_an_error_of_another_process_arrives_as_the_same_class_and_sentence(error: StudioError) -> None:
    arrived = errors.from_json(error.as_json())
    assert type(arrived) is type(error)
    assert (arrived.what, arrived.remedy, str(arrived)) == (error.what, error.remedy, str(error))


def test_a_conflict_is_sent_with_the_clip_as_it_is_now() -> None:
    assert ConflictError("It was changed.", "Reload.", {"id": "a"}).as_json() == {
        "what": "It was changed.",
        "remedy": "Reload.",
        "code": "ConflictError",
        "clip": {"id": "a"},
    }
