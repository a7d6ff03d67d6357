"""What a run learns from, clip by clip: in memory, or read from the disk when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from studio.train.feature_cache import FeatureCache

if TYPE_CHECKING:
    from studio.models.base import Row


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row whose features lie in a cache; where they no longer do, or are not whole, they are made `again`."""

    labels: Row
    key: str
    cache: FeatureCache
    again: Callable[[], Row]

    def read(self) -> Row:
        """The whole row. Raises DataError or DiskError where features and sound are both gone."""
        features = self.cache.read(self.key)
        if features is None:
            features = self.again()
            self.cache.write(self.key, features)
        return self.labels | features


class Rows(Sequence["Row"]):
    """Rows in their order; each is read when it is asked for, and nothing of it is kept."""

    def __init__(self, rows: Sequence[Row | StoredRow] = ()) -> None:
        self._rows = list(rows)
        self._places: dict[str, int] = {}

    def append(self, row: Row | StoredRow, clip: str = "") -> None:
        """Put `row` at the end; `of` finds it by the id of its `clip`, where that is given."""
        if clip:
            self._places[clip] = len(self._rows)
        self._rows.append(row)

    def of(self, clip: str) -> Row | None:
        """The row of the clip with that id. Raises DataError or DiskError where its features and sound are gone."""
        place = self._places.get(clip)
        return None if place is None else self[place]

    def again(self, place: int) -> None:
        """Repeat the row at `place` at the end."""
        self._rows.append(self._rows[place])

    def __add__(self, others: Rows) -> Rows:
        return Rows(self._rows + others._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return [_whole(row) for row in self._rows[place]]
        return _whole(self._rows[place])


def _whole(row: Row | StoredRow) -> Row:
    return row.read() if isinstance(row, StoredRow) else row
