"""What the columns of other programs mean: from a record of names and values to a row."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from studio.data import word_times
from studio.data.formats import lists, names
from studio.data.formats.base import Column, ImportRow, Refused, Words
from studio.data.formats.files import Files
from studio.data.utterance import Split, Utterance
from studio.errors import DataError

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "audio": ("file_name", "audio_filepath", "audio_path", "audio_file", "wav_filename", "filename", "filepath",
                  "file_path", "path", "audio", "file", "wav", "wav_path", "clip", "sound"),
        "text": ("text", "transcription", "transcript", "sentence", "label", "normalized_text", "raw_text",
                 "transcription_text", "caption", "reference", "words_text"),
        "speaker": ("speaker", "speaker_id", "client_id", "speaker_name", "spk", "spk_id"),
        "split": ("split", "subset", "partition", "set"),
        "prompt": ("prompt",),
        "session": ("session", "session_id"),
        "start": ("offset", "start", "start_time", "begin"),
        "end": ("end", "end_time", "stop"),
        "duration": ("duration", "duration_seconds", "duration_s", "length_seconds"),
        "words": ("words", "alignment", "alignments"),
    }
)  # fmt: skip
"""The fields of a row, and the names that other programs give their columns, the surest first."""

_OURS = frozenset({*Utterance.model_fields, "sampling_rate", "num_samples"} - {"words_from"})
"""Keys that a dataset sets for its own clips: they are never imported as extra keys."""
_DEEPEST = 6  # lists within lists that are kept of another program's key


def guess(columns: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """The column of each field: as `mapping` says, or by its name. Raises DataError for a column that is not there."""
    if unknown := [field for field in mapping if field not in ALIASES]:
        raise DataError(f"There is no field “{unknown[0][:40]}”.", f"A column can become: {', '.join(ALIASES)}.")
    for column in mapping.values():
        if column and column not in columns:
            near = difflib.get_close_matches(column, columns, 1)
            hint = f"Did you mean “{near[0]}”? " if near else ""
            names = ", ".join(columns[:20])
            raise DataError(f"There is no column “{column[:60]}”.", f"{hint}There are: {names[:300]}.")
    by_name = {column.strip().casefold(): column for column in reversed(columns)}
    found = dict(mapping)
    taken = {column for column in mapping.values() if column}
    for field, aliases in ALIASES.items():
        matches = (by_name[name] for name in aliases if by_name.get(name, "") and by_name[name] not in taken)
        if field not in found and (column := next(matches, "")):
            found[field] = column
            taken.add(column)
    return {field: column for field, column in found.items() if column}


def shown(columns: Sequence[str], fields: Mapping[str, str], first: Mapping[str, Any]) -> list[Column]:
    """What each column becomes, with its first value."""
    meant = {column: field for field, column in fields.items()}
    return [Column(column, meant.get(column, ""), _short(first.get(column))) for column in columns]


def _short(value: Any) -> str:
    text = "" if value is None or isinstance(value, bytes) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def to_row(
    name: str,
    record: Mapping[str, Any],
    fields: Mapping[str, str],
    files: Files,
    *,
    split: Split | None = None,
    within: Sequence[str] = ("",),
    suffixes: Sequence[str] = ("",),
    content: bytes | None = None,
) -> ImportRow | Refused:
    """The row that `record` (column to value) speaks of, or why there is none; its sound may come as `content`."""
    try:
        value = {field: record.get(column) for field, column in fields.items()}
        audio = content or files.find(string(value.get("audio")), within=within, suffixes=suffixes)
        start, duration, declared = _part(value)
        side = names.meant(string(value.get("split")))
        used = [column for field, column in fields.items() if field != "split" or side]
        return ImportRow(
            name=name if isinstance(audio, bytes) else f"{name} ({audio.name})",
            audio=audio,
            text=string(value.get("text")),
            start=start,
            duration=duration,
            declared=declared,
            prompt=string(value.get("prompt")),
            speaker=string(value.get("speaker")),
            session=string(value.get("session")),
            split=side or split,
            words=words(value.get("words")),
            extra=extra(record, used),
        )
    except DataError as error:
        return Refused(name, error.what, error.remedy)


def _part(value: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    """Start and duration of the part that is meant, and what the whole is said to last, in seconds."""
    start = seconds(value.get("start")) or 0.0
    end, duration = seconds(value.get("end")), seconds(value.get("duration"))
    if end is not None and end <= start:
        raise DataError("Its end is not after its start.", "Correct the line.")
    if start == 0 and end is None:
        return 0.0, None, duration
    part = end - start if end is not None else duration
    return start, part, part


def seconds(value: Any) -> float | None:
    """A time in seconds; None where nothing is written. Raises DataError for what is none."""
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number < 0 or isinstance(value, bool):
        raise DataError("Its offset, end or duration is not a number of seconds.", "Correct the line.")
    return number


def string(value: Any) -> str:
    """A value as text on one line. Raises DataError where it is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, str | int | float):
        raise DataError("It has a list where text is expected.", "Correct the line, or choose another column.")
    text = str(value)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError("It is not UTF-8 text.", "Save it as UTF-8.")
    return text if text.isprintable() else " ".join(text.replace("\0", " ").split())


def words(value: Any) -> Words | None:
    """Words with their times, as lists, as objects, or either as JSON. Raises DataError."""
    if isinstance(value, str):
        value = lists.parse_json(value) if value.strip().startswith("[") else None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, list) or not value:
        return None
    try:
        return [_word(item) for item in value]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError("Its word times cannot be read.", 'Write them as [["word", [start, end]], …].') from error


def _word(item: Any) -> tuple[str, tuple[float, float]]:
    if isinstance(item, dict):
        written, times = item["word"], (item["start"], item["end"])
    else:
        written, times = item[0], (item[1][0], item[1][1])
    start, end = seconds(times[0]), seconds(times[1])
    if start is None or end is None or not isinstance(written, str):
        raise ValueError(item)
    return string(written), (start, end)


def extra(record: Mapping[str, Any], used: Iterable[str]) -> dict[str, Any]:
    """What other programs keep of a clip, as far as JSON can hold it."""
    skip = _OURS | set(used)
    found = {key: _plain(value, _DEEPEST) for key, value in record.items() if isinstance(key, str) and key not in skip}
    return {string(key): value for key, value in found.items() if value not in (None, "", [], {})}


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return string(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list) and depth:
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, dict) and depth:
        return {string(key): _plain(item, depth - 1) for key, item in value.items()}
    return value if isinstance(value, bool) or (isinstance(value, int) and abs(value) < 1 << 53) else None


def record_of(clip: Utterance) -> dict[str, Any]:
    """All of a clip except its sound, for formats that keep any key: nothing that is empty, no stale word times."""
    words = word_times.timed(clip) or []
    own = {
        "text": clip.text,
        "duration": clip.duration,
        "speaker": clip.speaker,
        "split": clip.split,
        "prompt": clip.prompt,
        "session": getattr(clip, "session", ""),
        "words": [{"word": word, "start": start, "end": end} for word, (start, end) in words],
        "words_from": clip.words_from if words else "",
    }
    others = {key: value for key, value in (clip.model_extra or {}).items() if key not in _OURS | own.keys()}
    return {key: value for key, value in (own | others).items() if value not in ("", [], None)}


COLUMNS = ("text", "speaker", "split", "duration", "prompt", "session", "words")


def cells_of(clip: Utterance) -> list[str]:
    """The same as text, for tables: the values of COLUMNS, words as JSON."""
    record = record_of(clip)
    timed = record.get("words")
    return [*(str(record.get(name, "")) for name in COLUMNS[:-1]), lists.dumps(timed) if timed else ""]
