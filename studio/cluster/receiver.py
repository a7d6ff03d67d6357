"""What comes home from a cluster: checked, then written into the run's folder as if the run had been here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shutil
from pathlib import PurePosixPath

from studio.cluster.frames import EventFrame, FileFrame, FolderFrame, Frame, PartFrame
from studio.config import TrainConfig
from studio.errors import JobError
from studio.models.folders import written_whole
from studio.runs.events import Event, parse
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.workspace import disk_errors, write_atomically

_FILES = re.compile(
    r"config\.json|(manifest|general|heldout|short)\.jsonl|(heldout|general|short)_(baseline|tuned)\.json|report\.md|DONE"
)
_FOLDERS = re.compile(r"lora_adapter|processor|checkpoints/step-\d{6,}")
_IN_FOLDERS = re.compile(r"[\w\-]+(\.[\w\-]+)*\.(json|jsonl|safetensors|md|txt|model|jinja)")
_AGAIN = "`studio resume` fetches it again."


class Receiver:
    """Takes the frames of one job, from its first; those up to `received` were dealt with before.

    A cluster may belong to others: only the files that a run leaves are taken, none of which can hold code.
    """

    def __init__(self, folder: RunFolder, config: TrainConfig, received: int = 0) -> None:
        self.folder, self.config = folder, config
        self.received = received  # what is up to this frame is safe at home
        self._seen = received
        self._parts: list[bytes] = []
        self._staged: dict[str, bytes] = {}  # files of a folder that is not whole yet

    def take(self, frame: Frame) -> Event | None:
        """Deal with `frame`; the event that it is, if it is one.

        Raises JobError where something is missing, damaged or not what a run leaves; DiskError.
        """
        if frame.number <= self.received:
            return None
        if frame.number != self._seen + 1:
            raise JobError(f"Part of what the cluster sent is missing (line {self._seen + 1}).", _AGAIN)
        self._seen = frame.number
        match frame:
            case PartFrame():
                self._parts.append(_decoded(frame))
            case FileFrame():
                self._file(frame)
            case FolderFrame():
                self._folder(frame)
            case EventFrame():
                self.received = self._seen
                return parse(frame.line)
        return None

    def _file(self, frame: FileFrame) -> None:
        content = b"".join(self._parts)
        self._parts.clear()
        if len(content) != frame.size or hashlib.sha256(content).hexdigest() != frame.sha256:
            raise JobError(f"{frame.path} arrived damaged: its SHA-256 is not what the cluster said.", _AGAIN)
        if _FILES.fullmatch(frame.path):
            write_atomically(self.folder.path / frame.path, self._as_at_home(frame.path, content))
            self.received = self._seen
            return
        path = PurePosixPath(frame.path)
        if not (_FOLDERS.fullmatch(path.parent.as_posix()) and _IN_FOLDERS.fullmatch(path.name)):
            raise JobError(f"The cluster sent “{frame.path[:80]}”, which is not part of a run.", "Do not trust it.")
        self._staged[frame.path] = content

    def _as_at_home(self, name: str, content: bytes) -> bytes:
        """The settings name the datasets as they are called here."""
        if name != self.folder.config.name:
            return content
        record = RunRecord.model_validate_json(content)
        here = {"dataset": self.config.dataset, "replay": self.config.replay}
        return (record.model_copy(update=here).model_dump_json(indent=2) + "\n").encode()

    def _folder(self, frame: FolderFrame) -> None:
        files = {PurePosixPath(name).name: content for name, content in self._staged.items()}
        parents = {PurePosixPath(name).parent.as_posix() for name in self._staged}
        if parents != {frame.path} or not _FOLDERS.fullmatch(frame.path):
            raise JobError(f"The cluster sent a folder “{frame.path[:80]}” that is not whole.", _AGAIN)
        with written_whole(self.folder.path / frame.path) as place:
            for name, content in files.items():
                (place / name).write_bytes(content)
        self._staged.clear()
        if frame.keep:
            self._prune(frame)
        self.received = self._seen

    def _prune(self, frame: FolderFrame) -> None:
        with disk_errors(self.folder.checkpoints):
            for path in (self.folder.path / frame.path).parent.iterdir():
                if path.name not in frame.keep:
                    shutil.rmtree(path)


def _decoded(frame: PartFrame) -> bytes:
    try:
        return base64.b64decode(frame.data, validate=True)
    except binascii.Error:
        raise JobError("What the cluster sent is damaged.", _AGAIN) from None
