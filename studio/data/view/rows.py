"""One clip of the table: what is computed about it, once, and what a page receives of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from studio.data import word_times
from studio.data.quality import VERSION, Context, Finding, Quality, findings, pace, verdict
from studio.data.store.asr_results import AsrResult
from studio.data.utterance import Origin, Split, Utterance
from studio.text import spoken
from studio.text.words_to_numbers import number_words

Verdict = Literal["fine", "look", "re-record"]


class ClipRow(BaseModel):
    """A clip as a page shows it: no samples, no paths."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    prompt: str
    speaker: str
    session: str
    split: Split
    source: Origin
    created_at: str
    duration: float  # seconds
    pace: float | None  # characters a second
    loudness: float | None  # LUFS
    snr: float | None  # dB
    peak: float | None  # dBFS
    quality: dict[str, Any] | None  # what was measured: see studio.data.quality.Quality
    verdict: Verdict | None  # None where nothing was measured
    findings: list[Finding]
    heard: str | None  # what a model wrote last; None where none listened
    wer: float | None
    confidence: float | None
    heard_words: list[tuple[str, float]]  # each with its confidence, 0..1
    loss: float | None  # nats per token
    suspicion: float | None  # 0..1
    reason: str  # of the suspicion
    model: str | None
    adapter: str | None


class TableRow:
    """A clip and its transcript; what has to be computed is kept."""

    __slots__ = ("_judged", "_said", "clip", "heard")

    def __init__(self, clip: Utterance, heard: AsrResult | None) -> None:
        self.clip = clip
        self.heard = heard
        self._said: tuple[int, float | None] | None = None
        self._judged: tuple[Context, Sequence[Finding]] | None = None

    @property
    def quality(self) -> Quality | None:
        """The figures of the recording; None where it was not measured yet."""
        return Quality.known(self.clip.quality)

    def figure(self, name: str) -> float | None:
        """One of the figures, without making all of them."""
        stored = self.clip.quality
        return stored.get(name) if stored and stored.get("version") == VERSION else None

    @property
    def pace(self) -> float | None:
        """Characters a second."""
        return self.said[1]

    @property
    def said(self) -> tuple[int, float | None]:
        """Characters of the label, as it is read out, and how many a second."""
        if self._said is None:
            text = self.clip.text
            self._said = len(spoken(text)), pace(text, self.clip.quality, self.clip.duration)
        return self._said

    @property
    def wer(self) -> float | None:
        """Word errors of the transcript, against the label as it is now."""
        if self.heard is None or not self.heard.stale_for(self.clip):
            return self.heard.wer if self.heard else None
        from studio.text.metrics import score

        return round(score([self.clip.text], [self.heard.text], "spoken").wer, 4)

    @property
    def fresh(self) -> AsrResult | None:
        """The transcript, where it was compared with the label as it is now."""
        return self.heard if self.heard and not self.heard.stale_for(self.clip) else None

    def findings(self, context: Context) -> Sequence[Finding]:
        """What is to be said about it among the other clips."""
        if self._judged is None or self._judged[0] != context:
            clip, figures = self.clip, self.quality
            found = findings(figures, duration=clip.duration, text=clip.text, **context) if figures else ()
            self._judged = context, found or ()
        return self._judged[1]

    def verdict(self, found: Sequence[Finding]) -> str:
        """The worst of the findings; empty where nothing was measured."""
        return verdict(found) if self.figure("version") else ""

    def shown(self, found: Sequence[Finding]) -> ClipRow:
        """What a page receives of it."""
        clip, heard, fresh = self.clip, self.heard, self.fresh
        kept: dict[str, Any] = {name: getattr(clip, name) for name in _SAME}
        figures: dict[str, Any] = {name: _rounded(NUMBERS[name](self)) for name in _FIGURES}
        return ClipRow(
            **kept,
            **figures,
            verdict=verdict(found) if self.figure("version") else None,
            findings=list(found),
            heard=heard.text if heard else None,
            confidence=heard.confidence if heard else None,
            heard_words=heard.words if heard else [],
            loss=fresh.loss if fresh else None,
            suspicion=fresh.suspicion if fresh else None,
            reason=fresh.reason if fresh else "",
            model=heard.model if heard else None,
            adapter=heard.adapter if heard else None,
        )


_SAME = ("id", "text", "prompt", "speaker", "session", "split", "source", "created_at", "duration", "quality")
_FIGURES = ("pace", "loudness", "snr", "peak", "wer")

NUMBERS: Mapping[str, Callable[[TableRow], float | None]] = MappingProxyType(
    {
        "duration": lambda row: row.clip.duration,
        "words": lambda row: len(row.clip.text.split()),
        "pace": lambda row: row.pace,
        "loudness": lambda row: row.figure("loudness_lufs"),
        "snr": lambda row: row.figure("snr_db"),
        "peak": lambda row: row.figure("peak_db"),
        "wer": lambda row: row.wer,
        "confidence": lambda row: row.heard.confidence if row.heard else None,
        "loss": lambda row: row.fresh.loss if row.fresh else None,
        "suspicion": lambda row: row.fresh.suspicion if row.fresh else None,
    }
)
EXAMPLE_TEXTS: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "text": lambda row: row.clip.text.casefold(),
        "prompt": lambda row: row.clip.prompt.casefold(),
        "speaker": lambda row: row.clip.speaker.casefold(),
        "session": lambda row: row.clip.session.casefold(),
        "split": lambda row: row.clip.split,
        "source": lambda row: row.clip.source,
        "created": lambda row: row.clip.created_at,
        "id": lambda row: row.clip.id.casefold(),
    }
)
"""What clips and pairs both have."""
TEXTS: Mapping[str, Callable[[TableRow], str]] = MappingProxyType(
    {
        **EXAMPLE_TEXTS,
        "heard": lambda row: row.heard.text.casefold() if row.heard else "",
        "said": lambda row: f"{row.clip.text}\n{row.clip.prompt}\n{row.clip.id}".casefold(),
    }
)


def has(row: TableRow, flag: str) -> bool:
    """Whether a clip has one of the flags that it has by itself."""
    if flag == "numbers":
        return bool(number_words(row.clip.text))
    if flag == "digits":
        return _DIGIT.search(row.clip.text) is not None
    if flag == "times":
        return word_times.timed(row.clip) is not None
    return bool({"heard": row.heard, "prompt": row.clip.prompt, "speaker": row.clip.speaker}[flag])


def natural(text: str) -> list[Any]:
    """A key that sorts `order 9` before `order 10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(text)]


_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"(\d{1,18})")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
