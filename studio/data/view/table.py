"""The clips of a dataset as a table: found, sorted, counted. What Review shows, ten thousand clips in milliseconds.

A row is made once for a clip as it is, and kept until its line, or what was heard in it, changes. Columns are arrays,
made when first asked for; so a search looks at numbers, not at clips.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from studio.config import Kind
from studio.data.quality import Context, Finding, usual_pace
from studio.data.quality.pacing import RECENT
from studio.data.store import asr_results
from studio.data.store.asr_results import AsrResult
from studio.data.store.files import Store
from studio.data.store.snapshot import KEPT, Signature, Snapshot, many_objects, signature_of
from studio.data.utterance import Example
from studio.data.view.pair_rows import PairRow
from studio.data.view.query import parse
from studio.data.view.rows import ClipRow, TableRow, natural
from studio.data.view.search import Mask, Searcher
from studio.data.view.summary import Summary, Words, count_words, summarise
from studio.data.view.views import VIEWS, AnyRow, row_of
from studio.errors import DataError

PATCHED = 0.01  # of the clips: where more have changed, all columns are made again
PAGE = 50  # rows, as a page of the Review tab holds
Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

_kept: OrderedDict[Path, Table] = OrderedDict()
_lock = threading.Lock()


class Found(BaseModel):
    """One page of what was found."""

    model_config = ConfigDict(frozen=True)

    total: int  # clips that match
    clips: int  # in the dataset
    first: int  # place of the first row among those that match, from 0
    rows: list[ClipRow | PairRow]


class Table:
    """Every clip of a dataset as it is now. Never changed once shown: ask `Table.of` again."""

    def __init__(
        self, now: Snapshot, readings: dict[str, AsrResult], signature: Signature, kind: Kind = "speech"
    ) -> None:
        self.now = now
        self.view = VIEWS[kind]
        self.signature = signature  # of the transcripts
        self._readings = readings
        self.rows: list[AnyRow] = []
        self._by_id: dict[str, AnyRow] = {}
        self._numbers: dict[str, Numbers] = {}
        self._texts: dict[str, list[str]] = {}
        self._orders: dict[str, Places] = {}
        self._usual: dict[str, float] | None = None
        self._duplicates: dict[str, list[str]] | None = None

    def _fill(self, old: Table | None) -> Self:
        """Make the rows, with those of `old` whose clips are the same."""
        if old is not None and old.now.places is self.now.places and old.signature == self.signature:
            pairs = zip(old.now.clips, self.now.clips, strict=True)
            changed = [place for place, (before, after) in enumerate(pairs) if before is not after]
            if len(changed) <= len(self.now.clips) * PATCHED and self._patch(old, changed):
                return self
            self._forget()
        known = old._by_id if old else {}
        with many_objects():
            self.rows = [_row(clip, self._readings.get(clip.id), known.get(clip.id)) for clip in self.now.clips]
        self._by_id = {row.clip.id: row for row in self.rows}
        return self

    def _forget(self) -> None:
        self._numbers, self._texts, self._orders, self._usual, self._duplicates = {}, {}, {}, None, None

    def _patch(self, old: Table, changed: list[int]) -> bool:
        """Take everything over from `old`, which has the same clips at the same places, and update what changed.

        False where that says something new about the other clips too.
        """
        self.rows, self._by_id = old.rows.copy(), old._by_id.copy()
        for place in changed:
            clip = self.now.clips[place]
            self.rows[place] = self._by_id[clip.id] = _row(clip, self._readings.get(clip.id), None)
        if old._usual is not None and self.usual != old._usual:
            return False
        if all(old.rows[place].clip.given_hash == self.rows[place].clip.given_hash for place in changed):
            self._duplicates = old._duplicates
        elif old._duplicates is not None and self.duplicates != old._duplicates:
            return False
        for name, column in old._numbers.copy().items():
            self._numbers[name] = column.copy()
            self._numbers[name][changed] = [_or_nan(self.view.numbers[name](self.rows[place])) for place in changed]
            self._keep_order(old, name, np.array_equal(column, self._numbers[name], equal_nan=True))
        for name, texts in old._texts.copy().items():
            self._texts[name] = texts.copy()
            for place in changed:
                self._texts[name][place] = self._text(self.rows[place], name)
            self._keep_order(old, name, all(texts[place] == self._texts[name][place] for place in changed))
        return True

    def _keep_order(self, old: Table, name: str, is_same: bool) -> None:
        if is_same and name in old._orders:
            self._orders[name] = old._orders[name]

    @classmethod
    def of(cls, store: Store) -> Table:
        """The table of `store`; kept until the manifest or the transcripts change. Raises DiskError."""
        now, signature = store.look(), signature_of(asr_results.path_of(store))
        with _lock:
            old = _kept.get(store.folder)
        if old is not None and old.now is now and old.signature == signature:
            return old
        readings = old._readings if old is not None and old.signature == signature else asr_results.latest(store)
        table = cls(now, readings, signature, store.kind)._fill(old)
        with _lock:
            _kept[store.folder] = table
            _kept.move_to_end(store.folder)
            if len(_kept) > KEPT:
                _kept.popitem(last=False)
        return table

    def find(self, query: str, sort: str = "-created", first: int = 0, size: int = PAGE) -> Found:
        """The clips that match `query`, from place `first` on, sorted by a field ('-' in front: the largest first).

        Clips without the field come last. `first` is moved into what there is. Raises DataError.
        """
        places = self._sorted(self.places(query), sort)
        start = max(0, min(first, len(places) - 1))
        rows = [self.row(self.rows[place]) for place in places[start : start + size]]
        return Found(total=len(places), clips=len(self.rows), first=start, rows=rows)

    def ids(self, query: str) -> list[str]:
        """The ids of all clips that match, in the order of the manifest. Raises DataError."""
        return [self.rows[place].clip.id for place in self.places(query)]

    def get(self, id: str) -> ClipRow | PairRow:
        """The clip `id`, as a page shows it. Raises DataError."""
        if id not in self._by_id:
            raise DataError(f"There is no clip “{id[:80]}”.", "Reload the list of clips.")
        return self.row(self._by_id[id])

    def places(self, query: str) -> Places:
        """The positions of the clips that match, in the order of the manifest. Raises DataError."""
        mask = Searcher(len(self.rows), self.numbers, self.texts, self.flags, self.view.language).mask(
            parse(query, self.view.language)
        )
        return np.flatnonzero(mask)

    def row(self, row: AnyRow) -> ClipRow | PairRow:
        """What a page receives of a clip."""
        return row.shown(self.findings(row))

    def findings(self, row: AnyRow) -> Sequence[Finding]:
        """What is to be said about a clip, among the others."""
        return row.findings(self.context(row.clip))

    def context(self, clip: Example | None) -> Context:
        """What `clip` is judged against, whoever asks; None is a take that is not saved yet."""
        same = self.duplicates.get(clip.given_hash, ()) if clip else ()
        return {
            "usual_pace": self.usual.get(clip.speaker if clip else ""),
            "duplicates": tuple(id for id in same if clip and id != clip.id),
            "is_synthetic": clip is not None and clip.source == "synthetic",
        }

    def summary(self, query: str) -> Summary:
        """Figures of the clips that match. Raises DataError."""
        places = self.places(query)
        figures = {field: self.numbers(field)[places] for field in self.view.histograms}
        clips, verdicts = [self.rows[place].clip for place in places], [self.texts("quality")[p] for p in places]
        return summarise(clips, figures, verdicts, self.view.language)

    def words(self, query: str, limit: int = 200) -> Words:
        """Words of the labels that match. Raises DataError."""
        return count_words((self.rows[place].clip.text for place in self.places(query)), limit)

    @property
    def usual(self) -> dict[str, float]:
        """The usual pace of each speaker who has one, to one decimal."""
        if self._usual is None:
            said: dict[str, list[AnyRow]] = defaultdict(list)
            for row in self.rows:
                said[row.clip.speaker].append(row)
            paces = {name: usual_pace([row.said for row in rows[-RECENT:]]) for name, rows in said.items()}
            self._usual = {name: pace for name, pace in paces.items() if pace}
        return self._usual

    @property
    def duplicates(self) -> dict[str, list[str]]:
        """Samples, or typed texts, that are in several clips or pairs, with the ids of these."""
        if self._duplicates is None:
            same: dict[str, list[str]] = defaultdict(list)
            for row in self.rows:
                same[row.clip.given_hash].append(row.clip.id)
            self._duplicates = {samples: ids for samples, ids in same.items() if samples and len(ids) > 1}
        return self._duplicates

    def numbers(self, field: str) -> Numbers:
        """A column of numbers, (clips,); NaN where a clip has none."""
        if field not in self._numbers:
            value = self.view.numbers[field]
            self._numbers[field] = np.fromiter((_or_nan(value(row)) for row in self.rows), np.float64, len(self.rows))
        return self._numbers[field]

    def texts(self, field: str) -> list[str]:
        """A column of text in lower case, empty where a clip has none."""
        if field not in self._texts:
            with many_objects():
                self._texts[field] = [self._text(row, field) for row in self.rows]
        return self._texts[field]

    def flags(self, flag: str) -> Mask:
        """Which clips have one of the flags, (clips,)."""
        if flag == "findings":
            return self._mask(lambda row: any(item.verdict != "note" for item in self.findings(row)))
        if flag == "twins":
            return self._mask(lambda row: row.clip.given_hash in self.duplicates)
        return self._mask(lambda row: self.view.has(row, flag))

    def _mask(self, test: Callable[[AnyRow], bool]) -> Mask:
        return np.fromiter(map(test, self.rows), np.bool_, len(self.rows))

    def _text(self, row: AnyRow, field: str) -> str:
        if field in self.view.texts:
            return self.view.texts[field](row)
        found = self.findings(row)
        return row.verdict(found) if field == "quality" else " ".join(item.code for item in found)

    def _sorted(self, places: Places, sort: str) -> Places:
        field, is_down = sort.removeprefix("-"), sort.startswith("-")
        if field not in self.view.language.fields:
            columns = ", ".join(self.view.language.fields)
            raise DataError(f"“{field[:40]}” is not a column to sort by.", f"There are: {columns}.")
        if field not in self._orders:
            self._orders[field] = self._order(field)
        order = self._orders[field]
        mask = np.zeros(len(self.rows), np.bool_)
        mask[places] = True
        known = order[mask[order]]
        left = places[~np.isin(places, known, assume_unique=True)] if len(known) < len(places) else places[:0]
        return np.concatenate([known[::-1] if is_down else known, left])

    def _order(self, field: str) -> Places:
        """The places of the clips that have `field`, the smallest first."""
        kind = self.view.language.fields[field].kind
        if kind == "number":
            column = self.numbers(field)
            return np.argsort(column, kind="stable")[: int(np.count_nonzero(~np.isnan(column)))]
        texts = self.texts(field)
        keys = [natural(text) for text in texts] if kind == "text" else texts
        return np.array(sorted((place for place, text in enumerate(texts) if text), key=keys.__getitem__), np.int64)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _row(clip: Example, reading: AsrResult | None, old: AnyRow | None) -> AnyRow:
    """The row of `clip`: the one there was, where neither the clip nor its reading is another."""
    if reading is not None and reading.audio_sha256 != clip.given_hash:
        reading = None  # of other samples
    is_same = old is not None and old.clip is clip and (not isinstance(old, TableRow) or old.heard == reading)
    return old if old is not None and is_same else row_of(clip, reading)
