"""Long recordings that the page was given: each a folder under `outputs/transcripts/`, run by the verb `transcribe`.

outputs/transcripts/<id>/
    recording, about.json      what was given, and who reads it
    transcript.json            what was read, once all of it is; until then `TranscriptLog` has it
    job.json, events.jsonl     how it goes, as of every task
"""

from __future__ import annotations

import re
import secrets
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict

from studio import audio
from studio.errors import BusyError, DataError, StudioError
from studio.inference.longform.transcript import Segment, Transcript, TranscriptLog
from studio.runs import control, processes, tasks
from studio.runs.control import Status
from studio.runs.folder import JobFolder
from studio.ui import base_models
from studio.ui.hearing import finished, setting
from studio.workspace import Workspace, checked_name, disk_errors, write_atomically

_CHUNK = 1 << 20


class LongFileRequest(BaseModel):
    """The file, and the model that transcribes it."""

    model_config = ConfigDict(frozen=True)

    name: str  # of the file
    seconds: float
    model: str
    run: str  # empty: the base model alone
    given_at: float  # seconds since the epoch


class LongFile(LongFileRequest):
    """One recording, and how far it is transcribed."""

    id: str
    status: Status
    segments: list[Segment]  # those after the ones that the page has already


def listing(workspace: Workspace) -> list[LongFile]:
    """Every recording that was given, the latest first, without its segments."""
    found = []
    for path in _home(workspace).glob("*/about.json"):
        with suppress(StudioError, ValueError, FileNotFoundError):  # removed meanwhile
            found.append(show(workspace, path.parent.name, after=sys.maxsize))
    return sorted(found, key=lambda file: file.given_at, reverse=True)


def show(workspace: Workspace, id: str, after: int = 0) -> LongFile:
    """The state of the recording `id`, and its segments but the first `after`. Raises DataError."""
    folder = existing(workspace, id)
    about = LongFileRequest.model_validate_json((folder.path / "about.json").read_bytes())
    state = control.state(folder)
    return LongFile(**about.model_dump(), id=id, status=state.status, segments=_segments(workspace, folder)[after:])


def take(workspace: Workspace, name: str, sound: BinaryIO, run: str, model: str) -> str:
    """Keep a recording and start on it: its id. Raises AudioError, BusyError, JobError, ModelError, DiskError."""
    if going := processes.holder(_home(workspace)):
        raise _busy(workspace, going)
    base = setting(finished(workspace, run), "model") if run else base_models.known(workspace, model)
    id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    folder = JobFolder(_home(workspace) / id)
    try:
        seconds = _kept(folder, sound)
        about = LongFileRequest(name=_plain(name), seconds=seconds, model=base, run=run, given_at=time.time())
        write_atomically(folder.path / "about.json", about.model_dump_json())
        begin(workspace, id)
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return id


def begin(workspace: Workspace, id: str) -> None:
    """Read the recording `id`, from where it was stopped. Raises BusyError, DataError, JobError, DiskError."""
    about, folder = show(workspace, id, after=sys.maxsize), existing(workspace, id)
    adapter = ["--adapter", str(finished(workspace, about.run).adapter)] if about.run else []
    command = [
        *(sys.executable, "-m", "studio", "--workspace", str(workspace.root), "transcribe", str(_sound(folder))),
        *("--model", about.model, *adapter, "--format", "json", "--output", str(_output(folder))),
    ]
    try:
        control.start(folder, command, {"what": f"Transcribing {about.name}"})
    except BusyError as error:
        raise _busy(workspace, processes.holder(_home(workspace)) or id) from error


def transcript(workspace: Workspace, id: str) -> Transcript:
    """The transcript of the recording `id`, under its own name. Raises DataError until all of it is."""
    output = _output(existing(workspace, id))
    if not output.is_file():
        raise DataError("This recording has not been fully transcribed yet.", "Wait, or press Go on.")
    name = show(workspace, id, after=sys.maxsize).name
    return Transcript.model_validate_json(output.read_bytes()).model_copy(update={"audio": name})


def recording(workspace: Workspace, id: str) -> Path:
    """The sound file. Raises DataError."""
    return _sound(existing(workspace, id))


def remove(workspace: Workspace, id: str) -> None:
    """Delete a recording and its transcript; one in progress is cancelled first. Raises DataError."""
    folder = existing(workspace, id)
    if not control.state(folder).is_over:
        tasks.cancel(folder)
        raise DataError("It is still being transcribed.", "It is stopping: delete it once it has stopped.")
    with disk_errors(folder.path, "delete"):
        shutil.rmtree(folder.path)
    TranscriptLog.of(_output(folder), workspace).discard()


def existing(workspace: Workspace, id: str) -> JobFolder:
    """The folder of the recording `id`. Raises DataError where there is none."""
    folder = JobFolder(_home(workspace) / checked_name(id))
    if not (folder.path / "about.json").is_file():
        raise DataError("This recording no longer exists.", "Open the file again.")
    return folder


def _home(workspace: Workspace) -> Path:
    return workspace.outputs / "transcripts"


def _output(folder: JobFolder) -> Path:
    return folder.path / "transcript.json"


def _sound(folder: JobFolder) -> Path:
    return folder.path / "recording"


def _segments(workspace: Workspace, folder: JobFolder) -> list[Segment]:
    """The transcript so far: of the log, or once that is gone of the whole."""
    read = TranscriptLog.of(_output(folder), workspace).segments()
    if read is not None or not _output(folder).is_file():
        return read or []
    return Transcript.model_validate_json(_output(folder).read_bytes()).segments


def _kept(folder: JobFolder, sound: BinaryIO) -> float:
    """Write `sound` to the disk: its seconds. Raises AudioError for what is no sound file."""
    with disk_errors(folder.path):
        folder.path.mkdir(parents=True)
        with _sound(folder).open("xb") as kept:
            shutil.copyfileobj(sound, kept, _CHUNK)
    return audio.length(_sound(folder))


def _plain(name: str) -> str:
    """A file's name as a person knows it; it never becomes a path."""
    return re.sub(r"[\x00-\x1f]", "", name.replace("\\", "/").rsplit("/", 1)[-1])[:200] or "recording"


def _busy(workspace: Workspace, id: str) -> BusyError:
    try:
        name = show(workspace, id, after=sys.maxsize).name
    except StudioError:
        name = "Another recording"
    return BusyError(f"“{name}” is still being transcribed.", "Wait until it is done, or cancel it under “Long files”.")
