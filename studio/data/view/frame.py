"""The clips of a dataset as a pandas table, for a notebook or a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.audio.measurements import Quality
from studio.data.store.files import Store
from studio.data.view.pair_rows import PairRow
from studio.data.view.rows import ClipRow, TableRow
from studio.data.view.table import Table
from studio.data.view.views import AnyRow

if TYPE_CHECKING:
    from pandas import DataFrame

_CLIP = ("id", "audio_filepath", "text", "prompt", "split", "source", "speaker", "session", "created_at", "duration")
_FIGURES = tuple(name for name in Quality.model_fields if name != "version")
_RESULT = ("hypothesis", "wer", "confidence", "suspicion", "model", "adapter")
COLUMNS = (*_CLIP, "pace", *_FIGURES, "verdict", "findings", *_RESULT)
PAIR_COLUMNS = tuple(PairRow.model_fields)


def clips_frame(store: Store) -> DataFrame:
    """A row a clip or pair, in the order of the manifest, with `COLUMNS` or `PAIR_COLUMNS`.

    Empty cells: not measured, or not transcribed yet.

    Raises DiskError.
    """
    from pandas import DataFrame, to_datetime

    table = Table.of(store)
    columns = COLUMNS if store.kind == "speech" else PAIR_COLUMNS
    frame = DataFrame([_cells(table, row) for row in table.rows], columns=[*columns])
    frame["created_at"] = to_datetime(frame["created_at"], utc=True, errors="coerce", format="ISO8601")
    return frame


def _cells(table: Table, row: AnyRow) -> dict[str, Any]:
    shown = table.row(row)
    if not (isinstance(row, TableRow) and isinstance(shown, ClipRow)):
        return shown.model_dump() | {"findings": " ".join(found.code for found in shown.findings)}
    quality = row.quality
    return {
        **{name: getattr(row.clip, name) for name in _CLIP},
        "pace": shown.pace,
        **(quality.model_dump(include=set(_FIGURES)) if quality else {}),
        "verdict": shown.verdict,
        "findings": " ".join(found.code for found in shown.findings),
        "hypothesis": shown.heard,
        **{name: getattr(shown, name) for name in _RESULT[1:]},
    }
