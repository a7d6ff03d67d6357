"""How a dataset of each kind is shown as a table: its rows, and the columns and flags that can be asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from studio.config import Kind
from studio.data.pair import Pair
from studio.data.store.asr_results import AsrResult
from studio.data.utterance import Example, Utterance
from studio.data.view.pair_rows import PAIR_NUMBERS, PAIR_TEXTS, PairTableRow, pair_has
from studio.data.view.query import SPEECH, TYPING, Language
from studio.data.view.rows import NUMBERS, TEXTS, TableRow, has

AnyRow = TableRow | PairTableRow


@dataclass(frozen=True, slots=True)
class View:
    """What a table of one kind of dataset is made of. The callables take that kind's rows."""

    language: Language
    numbers: Mapping[str, Callable[[Any], float | None]]
    texts: Mapping[str, Callable[[Any], str]]
    has: Callable[[Any, str], bool]
    histograms: tuple[str, ...]  # columns that are summed up


VIEWS: Mapping[Kind, View] = MappingProxyType(
    {
        "speech": View(SPEECH, NUMBERS, TEXTS, has, ("duration", "pace", "loudness", "snr")),
        "typing": View(TYPING, PAIR_NUMBERS, PAIR_TEXTS, pair_has, ("characters", "pace", "edits", "backspaces")),
    }
)


def row_of(example: Example, reading: AsrResult | None) -> AnyRow:
    """The row of a clip, with what a model wrote for it, or of a pair."""
    if isinstance(example, Pair):
        return PairTableRow(example)
    assert isinstance(example, Utterance)
    return TableRow(example, reading)
