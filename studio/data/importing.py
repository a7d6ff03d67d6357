"""Take sound files that exist already into a dataset: copied as mono 16-bit WAV, never moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from studio.audio import read, wav_bytes
from studio.data.lines import read_bytes, split_lines
from studio.data.manifest import Dataset
from studio.data.quality import checked_recording, fingerprint
from studio.data.utterance import Split
from studio.errors import DataError, StudioError
from studio.workspace import inside

READABLE = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff"})
UNREADABLE = frozenset({".m4a", ".aac", ".mp4", ".webm", ".wma", ".amr", ".3gp"})  # libsndfile cannot


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came in, and what did not, each with its reason."""

    added: list[str] = field(default_factory=list)  # ids
    skipped: list[tuple[str, str]] = field(default_factory=list)  # (file or line, reason)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One clip that might come in: a file, or a line of a manifest with what it says about its file."""

    name: str
    path: Path
    row: dict[str, Any] = field(default_factory=dict)
    fault: str = ""


def import_files(
    dataset: Dataset, paths: Iterable[Path], text_for: Callable[[Path], str] | None = None
) -> ImportReport:
    """Copy sound files, folders of them, or the clips of a `.jsonl` manifest into `dataset`.

    The label is the manifest's, that of the text file of the same name beside the clip, or `text_for(path)`.
    What cannot be used, or is there already with the same samples, is skipped with a reason.
    """
    report = ImportReport()
    known = _fingerprints(dataset)
    for candidate in _candidates(paths):
        try:
            report.added.append(_import(dataset, candidate, text_for, known))
        except StudioError as error:
            report.skipped.append((candidate.name, str(error)))
    return report


def _import(dataset: Dataset, candidate: _Candidate, text_for: Callable[[Path], str] | None, known: set[str]) -> str:
    if candidate.fault:
        raise DataError(candidate.fault)
    row = candidate.row
    audio = _segment(candidate) if row.get("offset") else candidate.path
    checked_recording(audio)
    samples = fingerprint(read(audio))
    if samples in known:
        raise DataError("The same recording is there already.")
    clip = dataset.add(
        audio,
        text=_label(candidate, text_for),
        prompt=str(row.get("prompt", "")),
        speaker=str(row.get("speaker", "")),
        source="import",
        split=row["split"] if row.get("split") in get_args(Split) else None,
    )
    known.add(samples)
    return clip.id


def _label(candidate: _Candidate, text_for: Callable[[Path], str] | None) -> str:
    if text := str(candidate.row.get("text") or "").strip():
        return text
    beside = candidate.path.with_suffix(".txt")
    if beside.is_file():
        try:
            return read_bytes(beside).decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{beside.name} is not UTF-8 text.", "Save it as UTF-8.") from error
    if text_for is None:
        raise DataError("It has no label.", f"Write what is said in {beside.name} beside it.")
    return text_for(candidate.path)


def _segment(candidate: _Candidate) -> bytes:
    """The part of a long file that a manifest's line means (NeMo's `offset` and `duration`, seconds)."""
    try:
        offset, duration = float(candidate.row["offset"]), float(candidate.row["duration"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("Its offset or duration is not a number.", "Correct the line.") from error
    wave = read(candidate.path, offset=offset, duration=duration)
    return wav_bytes(wave.samples, wave.sample_rate)


def _candidates(paths: Iterable[Path]) -> Iterator[_Candidate]:
    for path in paths:
        if path.is_dir() and (path / "manifest.jsonl").is_file():
            yield from _rows(path / "manifest.jsonl")
        elif path.is_dir():
            yield from _folder(path)
        elif path.suffix.lower() == ".jsonl":
            yield from _rows(path)
        elif path.suffix.lower() != ".txt":  # a label, if anything: read beside its clip
            yield _file(path, path.name)


def _folder(folder: Path) -> Iterator[_Candidate]:
    """Every sound file in `folder` and below, by name; hidden ones (`._clip.wav` of macOS) are none."""
    found = [
        path
        for path in sorted(folder.rglob("[!.]*"))
        if path.suffix.lower() in READABLE | UNREADABLE and path.is_file()
    ]
    yield from (_file(path, str(path.relative_to(folder))) for path in found)
    if not found:
        yield _Candidate(folder.name, folder, fault="The folder holds no WAV, FLAC or MP3 files.")


def _file(path: Path, name: str) -> _Candidate:
    suffix = path.suffix.lower()
    if suffix not in READABLE:
        kind = suffix or "A file without a suffix"
        return _Candidate(name, path, fault=f"{kind} cannot be read. Convert it to WAV, FLAC or MP3.")
    return _Candidate(name, path)


def _rows(manifest: Path) -> Iterator[_Candidate]:
    """One candidate for each line of a manifest; its clips lie beside it, or below."""
    try:
        lines = split_lines(read_bytes(manifest))
    except StudioError as error:
        yield _Candidate(manifest.name, manifest, fault=str(error))
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _row(manifest, f"{manifest.name} line {number}", line)


def _row(manifest: Path, name: str, line: bytes) -> _Candidate:
    try:
        row = json.loads(line)
        path = inside(manifest.parent, row["audio_filepath"])
    except StudioError as error:
        return _Candidate(name, manifest, fault=str(error))
    except (ValueError, TypeError, KeyError):
        fault = 'It is not a line of a manifest: {"audio_filepath": …, "text": …}.'
        return _Candidate(name, manifest, fault=fault)
    return _Candidate(f"{name} ({path.name})", path, row)


def _fingerprints(dataset: Dataset) -> set[str]:
    """Of every clip in `dataset`; a manifest of another program has none yet, so its clips are read."""
    found = set()
    for clip in dataset.utterances():
        try:
            found.add(clip.audio_sha256 or fingerprint(read(dataset.clip_path(clip))))
        except StudioError:
            continue  # problems() speaks of it
    return found
