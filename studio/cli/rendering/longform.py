"""`studio transcribe --format`: recordings of any length as text, subtitles or JSON, with progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import ConfigError, DataError
from studio.inference.longform.reading import LongRecording, read_file
from studio.inference.longform.subtitles import FORMATS, rendered
from studio.inference.longform.transcript import TranscriptLog
from studio.inference.transcribe import with_processor
from studio.models import Recogniser, load
from studio.models.adapters import find_adapter
from studio.runs.tasks import reporting
from studio.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model reads, as the command line names it."""

    model: str
    adapter: str | Path | None
    processor: Path | None
    device: str

    def load(self) -> tuple[Recogniser, Path | None]:
        """The recogniser, and the adapter's folder. Raises ModelError, DeviceError."""
        folder = find_adapter(self.adapter, Workspace.here()) if self.adapter else None
        return with_processor(load(self.model, self.device, adapter=folder), self.processor), folder


def only_one(adapters: Sequence[str], terms: Path | None) -> str | None:
    """The adapter to read with, if any. Raises ConfigError for what `--format` cannot do."""
    if len(adapters) > 1 or terms is not None:
        raise ConfigError("With --format one model transcribes, without key terms.", "Leave out --terms, or --format.")
    return adapters[0] if adapters else None


def write(files: Sequence[Path], formats: Sequence[str], output: Path | None, reader: ModelChoice) -> str:
    """Read `files`, and say where they were written, or what was said where one goes to one format and no file.

    Raises ConfigError (no such format, several files into one), DataError (a file is missing), AudioError, DiskError.
    """
    places = planned(files, formats, output)
    said = []
    with reporting(" s") as tell:
        tell("loading", 0, 0)
        recogniser, adapter = reader.load()
        for file, outputs in places.items():
            try:
                result = read_file(
                    LongRecording(recogniser, file),
                    outputs,
                    adapter,
                    lambda done, total: tell("reading", int(done), int(total)),
                    log_of(outputs),
                )
            except KeyboardInterrupt:
                tell.note(_stopped(file, bool(outputs)))
                raise
            said += [f"Wrote {path}." for path in outputs] or [rendered(result, formats[0]).rstrip("\n")]
    return "\n".join(said)


def planned(files: Sequence[Path], formats: Sequence[str], output: Path | None) -> dict[Path, dict[Path, str]]:
    """Of each sound file, what will be written, with its format; nothing where it is to be printed."""
    for kind in formats:
        if kind not in FORMATS:
            raise ConfigError(f"There is no format “{kind}”.", f"Use {', '.join(FORMATS)}.")
    for file in files:
        if not file.is_file():
            raise DataError(f"There is no sound file {file}.", "Check the path.")
    if not files:
        raise DataError("There is nothing to transcribe.", "Name sound files.")
    if len(files) == 1 and len(formats) == 1:
        return {files[0]: {output: formats[0]} if output else {}}
    if len(files) == 1 and output is not None and not output.is_dir():
        return {files[0]: {output.with_suffix(f".{kind}"): kind for kind in formats}}
    if output is not None and not output.is_dir():
        raise ConfigError(
            f"{output} is not a folder, and there are several files.", "Give --output a folder that is there."
        )
    return {file: _beside(file, formats, output) for file in files}


def _beside(file: Path, formats: Sequence[str], folder: Path | None) -> dict[Path, str]:
    return {(folder or file.parent) / f"{file.stem}.{kind}": kind for kind in formats}


def log_of(outputs: Mapping[Path, str]) -> TranscriptLog | None:
    """Where the transcript so far is kept until `outputs` are written; nowhere, where it is to be printed."""
    return TranscriptLog.of(next(iter(outputs)), Workspace.here()) if outputs else None


def _stopped(file: Path, is_kept: bool) -> str:
    if not is_kept:
        return f"Stopped: {file.name} was not transcribed to its end."
    return f"Stopped. What was transcribed of {file.name} is kept: the same command continues it."
