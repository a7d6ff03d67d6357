"""Kaldi data folder: `wav.scp`, `text`, `utt2spk` and, for parts of long recordings, `segments`.

A wav.scp may hold commands (they end in a pipe): those are refused and never run. https://kaldi-asr.org/doc/data_prep.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from studio.data.formats import fields, lists
from studio.data.formats.base import Base, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import Files, place, stem
from studio.data.formats.sheets import Sheets
from studio.data.utterance import Split
from studio.errors import DataError

_LISTS = ("wav.scp", "text", "utt2spk")


class Kaldi(Base):
    """One data folder, or one for each split."""

    name, title = "kaldi", "Kaldi data folder"
    holds = "Keeps speaker and split."

    def recognise(self, path: Path) -> float:
        """A wav.scp next to a text."""
        return 0.97 if self._folders(path) else 0.0

    def _folders(self, path: Path) -> list[Path]:
        folder = path if path.is_dir() else path.parent
        if path.is_file() and path.name != "wav.scp":
            return []
        found = [folder, *sorted(folder.glob("[!.]*/"))] if path.is_dir() else [folder]
        return [each for each in found if (each / "wav.scp").is_file() and (each / "text").is_file()]

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """One row an utterance of `text`."""
        for folder in self._folders(path):
            split = reading.names.split_of(folder / "text", path)
            given = (folder, path, reading.audio) if reading.audio else (folder, path)
            files = Files([root for root in given if root.is_dir()])
            yield from _rows(folder, files, split)

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """A folder for each split, every list sorted by the bytes of its first word, as Kaldi's tools demand.

        An utterance is named after its speaker first: utt2spk is then sorted by both.
        """
        indices: dict[str, lists.Index] = {}
        with ExitStack() as stack:
            for clip in clips:
                own = clip.utterance
                audio = place(clip, target.folder / own.split / "audio", stem(clip), wav=True)
                speaker = re.sub(r"\s+", "_", own.speaker.strip())
                name = f"{speaker}-{stem(clip)}" if speaker else stem(clip)
                address = target.address(f"{own.split}/audio/{audio}")
                for file, value in zip(_LISTS, (address, own.text, speaker or name), strict=True):
                    place_of = f"{own.split}/{file}"
                    if place_of not in indices:
                        indices[place_of] = stack.enter_context(closing(lists.Index()))
                    indices[place_of].add(name, value)
            with Sheets(target.folder) as sheets:
                for place_of, index in indices.items():
                    for name, value in index:
                        sheets.line(place_of, f"{name} {value}")


def _rows(folder: Path, files: Files, split: Split | None) -> Iterator[ImportRow | Refused]:
    with ExitStack() as stack:
        sounds, speakers, segments = (
            stack.enter_context(closing(lists.Index(_pairs(folder / name))))
            for name in ("wav.scp", "utt2spk", "segments")
        )
        has_segments = (folder / "segments").is_file()
        for number, line in lists.lines(folder / "text"):
            name = f"{folder.name}/text line {number}"
            if isinstance(line, Refused):
                yield line
            elif line.strip():
                utterance, _, text = line.strip().partition(" ")
                segment = segments.get(utterance) if has_segments else ""
                speaker = speakers.get(utterance) or ""
                yield _row(name, utterance, text, sounds, segment, speaker, files, split)


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    """First word and rest of each line; none where there is no such list."""
    if not path.is_file():
        return
    for _, line in lists.lines(path):
        if isinstance(line, str) and line.strip():
            name, _, rest = line.strip().replace("\t", " ").partition(" ")
            yield name, rest.strip()


def _row(
    name: str,
    utterance: str,
    text: str,
    sounds: lists.Index,
    segment: str | None,
    speaker: str,
    files: Files,
    split: Split | None,
) -> ImportRow | Refused:
    try:
        recording, start, duration = _part(utterance, segment)
        sound = sounds.get(recording)
        if sound is None:
            raise DataError(f"wav.scp has no line for {recording[:80]}.", "Add it.")
        if sound.endswith("|"):
            raise DataError("Its sound comes from a command, and commands are never run.", "Save it as WAV first.")
        audio = files.find(sound, within=("", "..", "../.."))
        speaker = "" if speaker == utterance else fields.string(speaker)
        words = fields.string(text)
        return ImportRow(f"{name} ({utterance})", audio, words, start, duration, duration, speaker=speaker, split=split)
    except DataError as error:
        return Refused(f"{name} ({utterance[:80]})", error.what, error.remedy)


def _part(utterance: str, segment: str | None) -> tuple[str, float, float | None]:
    """The recording of an utterance, and where in it: start and duration in seconds. Raises DataError."""
    if segment == "":
        return utterance, 0.0, None
    parts = (segment or "").split()
    if len(parts) != 3:
        raise DataError("Its line in segments is missing or incomplete.", "Write utterance, recording, start and end.")
    start, end = fields.seconds(parts[1]) or 0.0, fields.seconds(parts[2])
    if end is None or end <= start:
        raise DataError("Its segment does not end after its start.", "Correct segments.")
    return parts[0], start, end - start
