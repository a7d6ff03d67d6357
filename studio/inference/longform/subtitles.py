"""A transcript as plain text, subtitles (SubRip, WebVTT) or JSON.

A cue has at most two lines of 42 characters and lasts at most seven seconds: the limits of Netflix's Timed Text
Style Guide for English, and near those of the BBC's Subtitle Guidelines. A piece that needs more is shared out over
cues of like length, its time to its words in proportion to their letters: models give no times of their own.
WebVTT by https://www.w3.org/TR/webvtt1/; SubRip has no standard, so it is written as its readers agree on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import ceil
from types import MappingProxyType
from typing import NamedTuple

from studio.inference.longform.transcript import Segment, Transcript

LINE = 42  # characters
LINES = 2
CUE_SECONDS = 7.0


class Cue(NamedTuple):
    """What is on the screen from `start` to `end`."""

    start: int  # milliseconds from the beginning
    end: int
    lines: list[str]


def rendered(transcript: Transcript, kind: str) -> str:
    """`transcript` in the format `kind`, a name of `FORMATS`."""
    return FORMATS[kind](transcript)


def as_txt(transcript: Transcript) -> str:
    """A line a piece, without times."""
    return "".join(f"{segment.text}\n" for segment in transcript.segments if segment.text)


def as_srt(transcript: Transcript) -> str:
    """SubRip: numbered cues, a comma before the milliseconds."""
    cues = enumerate(cues_of(transcript.segments), 1)
    return "".join(f"{number}\n{_times(cue, ',')}\n{_text(cue)}\n\n" for number, cue in cues)


def as_vtt(transcript: Transcript) -> str:
    """WebVTT: a point before the milliseconds; what would be read as markup is escaped."""
    cues = (f"{_times(cue, '.')}\n{_escaped(_text(cue))}\n\n" for cue in cues_of(transcript.segments))
    return "WEBVTT\n\n" + "".join(cues)


def as_json(transcript: Transcript) -> str:
    """All that is known: model, adapter, pieces with their times and confidence."""
    return transcript.model_dump_json(indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Transcript], str]] = MappingProxyType(
    {"txt": as_txt, "srt": as_srt, "vtt": as_vtt, "json": as_json}
)


def cues_of(segments: Sequence[Segment]) -> Iterator[Cue]:
    """Cues in the order of time; none without text."""
    for segment in segments:
        words = _words(segment.text)
        if words:
            yield from _shared_out(segment, _cues(words, ceil((segment.end - segment.start) / CUE_SECONDS)))


def _words(text: str) -> list[str]:
    """The words of `text`; what is longer than a line is cut, as in languages that write no spaces."""
    return [word[place : place + LINE] for word in text.split() for place in range(0, len(word), LINE)]


def _cues(words: Sequence[str], least: int) -> list[list[str]]:
    """`words` as the lines of at least `least` cues, as far as there are words for them."""
    for count in range(min(max(least, 1), len(words)), len(words)):
        cues = [_balanced(group, LINE) for group in _parted(words, count)]
        if all(len(lines) <= LINES for lines in cues):
            return cues
    return [[word] for word in words]


def _parted(words: Sequence[str], count: int) -> list[list[str]]:
    """`words` in `count` groups of about as many letters each, none of them empty."""
    ends = list(accumulate(len(word) + 1 for word in words))
    groups: list[list[str]] = [[] for _ in range(count)]
    place = 0
    for index, word in enumerate(words):
        is_due = groups[place] and ends[index] - len(word) / 2 > ends[-1] * (place + 1) / count
        if place + 1 < count and (is_due or (groups[place] and len(words) - index <= count - place - 1)):
            place += 1
        groups[place].append(word)
    return groups


def _balanced(words: Sequence[str], most: int) -> list[str]:
    """`words` in the fewest lines of at most `most` characters, the longest of them as short as can be."""
    fewest = len(_filled(words, most))
    narrowest = max(max(map(len, words)), len(" ".join(words)) // fewest)
    return next(lines for width in range(narrowest, most + 1) if len(lines := _filled(words, width)) == fewest)


def _filled(words: Sequence[str], width: int) -> list[str]:
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _shared_out(segment: Segment, cues: Sequence[list[str]]) -> Iterator[Cue]:
    """`cues` over the time of `segment`, each at least a millisecond."""
    letters = [0, *accumulate(sum(map(len, lines)) for lines in cues)]
    start, length = segment.start * 1000, (segment.end - segment.start) * 1000
    times = [round(start + length * share / letters[-1]) for share in letters]
    for lines, begin, end in zip(cues, times, times[1:], strict=False):
        yield Cue(begin, max(begin + 1, min(end, begin + round(CUE_SECONDS * 1000))), lines)


def _text(cue: Cue) -> str:
    return "\n".join(cue.lines)


def _times(cue: Cue, point: str) -> str:
    return f"{_clock(cue.start, point)} --> {_clock(cue.end, point)}"


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{rest:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
