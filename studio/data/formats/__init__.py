"""The formats in which speech data comes and goes: one file each, found by name or by looking at the data."""

from __future__ import annotations

import difflib
from pathlib import Path

from studio.data.formats import lists
from studio.data.formats.audiofolder import AudioFolder
from studio.data.formats.base import Format, ImportRow, ReadOptions, Reasons, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.common_voice import CommonVoice
from studio.data.formats.kaldi import Kaldi
from studio.data.formats.label_studio import LabelStudio
from studio.data.formats.lhotse import Lhotse
from studio.data.formats.ljspeech import LJSpeech
from studio.data.formats.moshi import Moshi
from studio.data.formats.nemo import Nemo
from studio.data.formats.pairs import Pairs
from studio.data.formats.parquet import Parquet
from studio.data.formats.speech_to_text_finetune import SpeechToTextFinetune
from studio.data.formats.tables import Plain
from studio.errors import DataError

__all__ = [
    "FORMATS",
    "ExportClip",
    "Format",
    "ImportRow",
    "ReadOptions",
    "Reasons",
    "Refused",
    "Target",
    "find",
    "recognise",
]

FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Pairs(),
        Plain(),
        Nemo(),
        AudioFolder("csv"),
        AudioFolder("jsonl"),
        Parquet(),
        LJSpeech(),
        CommonVoice(),
        SpeechToTextFinetune(),
        Moshi(),
        Lhotse(),
        Kaldi(),
        LabelStudio(),
    )
}


def find(name: str) -> Format:
    """The format `name`. Raises DataError with the nearest name."""
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, 1)
    hint = f"Did you mean “{near[0]}”?" if near else f"There are: {', '.join(FORMATS)}."
    raise DataError(f"There is no format “{name[:60]}”.", hint)


def recognise(path: Path) -> Format:
    """The format of `path`, by its names and first lines. Raises DataError where it is of none."""
    if not path.exists():
        raise DataError(f"There is nothing at {path}.", "Check the path.")
    scores = {each.name: each.recognise(path) for each in FORMATS.values()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] > 0:
        return FORMATS[best]
    if path.is_dir():
        raise DataError("The folder holds no sound file, such as WAV, MP3 or M4A.", "Choose the folder that does.")
    lists.check(path)
    known = ", ".join(each.title for each in FORMATS.values())
    raise DataError(f"{path.name} has an unknown format.", f"Known formats: {known}.")
