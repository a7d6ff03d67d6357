"""One typing pair of the table: what is computed about it, once, and what a page receives of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict
from rapidfuzz.distance import Levenshtein

from studio.data.pair import Pair
from studio.data.quality import Context, Finding, verdict
from studio.data.quality.pairs import findings
from studio.data.utterance import Origin, Split
from studio.data.view.rows import EXAMPLE_TEXTS

_LEAST_TYPED = 2  # characters: one key has no pace


class PairRow(BaseModel):
    """A pair as a page shows it."""

    model_config = ConfigDict(frozen=True)

    id: str
    typed: str
    text: str
    prompt: str
    speaker: str
    session: str
    split: Split
    source: Origin
    created_at: str
    duration: float  # seconds of typing; 0 where that is not known
    backspaces: int
    pace: float | None  # characters a minute
    edits: int  # characters that differ
    verdict: Literal["fine", "look"]
    findings: list[Finding]


class PairTableRow:
    """A pair; what has to be computed is kept."""

    __slots__ = ("_edits", "_judged", "clip")

    def __init__(self, pair: Pair) -> None:
        self.clip = pair
        self._edits: int | None = None
        self._judged: tuple[Context, Sequence[Finding]] | None = None

    @property
    def edits(self) -> int:
        """How many characters differ between the two sides (Levenshtein)."""
        if self._edits is None:
            self._edits = Levenshtein.distance(self.clip.typed, self.clip.text)
        return self._edits

    @property
    def pace(self) -> float | None:
        """Characters a minute; None where it is not known how long the typing took."""
        typed, seconds = len(self.clip.typed), self.clip.duration
        return 60 * typed / seconds if seconds > 0 and typed >= _LEAST_TYPED else None

    @property
    def said(self) -> tuple[int, float | None]:
        """Characters typed, and how many a second: by these a typist's usual pace is worked out."""
        pace = self.pace
        return len(self.clip.typed), None if pace is None else pace / 60

    def findings(self, context: Context) -> Sequence[Finding]:
        """What is to be said about it among the other pairs."""
        if self._judged is None or self._judged[0] != context:
            self._judged = context, findings(self.clip, context["duplicates"])
        return self._judged[1]

    def verdict(self, found: Sequence[Finding]) -> str:
        """The worst of the findings."""
        return verdict(found)

    def shown(self, found: Sequence[Finding]) -> PairRow:
        """What a page receives of it."""
        kept = self.clip.model_dump(include=set(PairRow.model_fields) & set(Pair.model_fields))
        pace = None if self.pace is None else round(self.pace, 1)
        is_fine = verdict(found) == "fine"
        return PairRow(**kept, pace=pace, edits=self.edits, verdict="fine" if is_fine else "look", findings=list(found))


PAIR_NUMBERS: Mapping[str, Callable[[PairTableRow], float | None]] = MappingProxyType(
    {
        "edits": lambda row: row.edits,
        "changed": lambda row: row.edits / max(1, len(row.clip.typed), len(row.clip.text)),
        "words": lambda row: len(row.clip.text.split()),
        "characters": lambda row: len(row.clip.text),
        "duration": lambda row: row.clip.duration or None,
        "pace": lambda row: row.pace,
        "backspaces": lambda row: row.clip.backspaces,
    }
)
PAIR_TEXTS: Mapping[str, Callable[[PairTableRow], str]] = MappingProxyType(
    {
        **EXAMPLE_TEXTS,
        "typed": lambda row: row.clip.typed.casefold(),
        "said": lambda row: f"{row.clip.typed}\n{row.clip.text}\n{row.clip.prompt}\n{row.clip.id}".casefold(),
    }
)


def pair_has(row: PairTableRow, flag: str) -> bool:
    """Whether a pair has one of the flags that it has by itself."""
    pair = row.clip
    known = {
        "typos": not pair.is_clean,
        "prompt": bool(pair.prompt),
        "speaker": bool(pair.speaker),
        "times": bool(pair.key_times),
    }
    return known[flag]
