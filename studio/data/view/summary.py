"""Many clips in a few figures: histograms, time for each split and speaker, the words of the labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from studio.data.utterance import Example
from studio.data.view.query import SPEECH, Language
from studio.text import plain

BINS = 24
_OUTLIERS = 0.5  # per cent on either side that share the outermost bin: one clip of 60 s leaves the others their shape


class Histogram(BaseModel):
    """How a figure is spread."""

    model_config = ConfigDict(frozen=True)

    field: str
    unit: str
    edges: list[float]  # one more than counts; the outermost bins hold what lies beyond them too
    counts: list[int]  # clips
    median: float | None  # None where no clip has the figure


class Summary(BaseModel):
    """Many clips in a few figures."""

    model_config = ConfigDict(frozen=True)

    clips: int
    seconds: float
    splits: dict[str, float]  # seconds in each
    speakers: dict[str, float]  # seconds of each
    verdicts: dict[str, int]  # clips; "" where nothing was measured
    histograms: list[Histogram]


class WordCount(BaseModel):
    """A word, and how often it is said."""

    model_config = ConfigDict(frozen=True)

    word: str
    count: int
    clips: int  # that hold it


class Words(BaseModel):
    """The vocabulary of labels."""

    model_config = ConfigDict(frozen=True)

    different: int
    frequent: list[WordCount]
    rare: list[WordCount]  # said once, by the alphabet


def summarise(
    clips: Sequence[Example],
    figures: Mapping[str, NDArray[np.float64]],
    verdicts: Sequence[str],
    language: Language = SPEECH,
) -> Summary:
    """Count `clips`; `figures` are columns, (clips,) each, NaN where a clip has none."""
    splits: defaultdict[str, float] = defaultdict(float)
    speakers: defaultdict[str, float] = defaultdict(float)
    for clip in clips:
        splits[clip.split] += clip.duration
        speakers[clip.speaker] += clip.duration
    return Summary(
        clips=len(clips),
        seconds=round(sum(clip.duration for clip in clips), 3),
        splits={name: round(seconds, 3) for name, seconds in sorted(splits.items())},
        speakers={name: round(seconds, 3) for name, seconds in sorted(speakers.items(), key=lambda pair: -pair[1])},
        verdicts=dict(Counter(verdicts)),
        histograms=[histogram(field, column, language) for field, column in figures.items()],
    )


def histogram(field: str, column: NDArray[np.float64], language: Language = SPEECH) -> Histogram:
    """The spread of `column`, (clips,), without its NaN."""
    known = column[~np.isnan(column)]
    unit = language.fields[field].unit
    if not len(known):
        return Histogram(field=field, unit=unit, edges=[], counts=[], median=None)
    low, high = np.percentile(known, [_OUTLIERS, 100 - _OUTLIERS])
    counts, edges = np.histogram(np.clip(known, low, high), BINS, (low, high if high > low else low + 1))
    edges[0], edges[-1] = min(edges[0], known.min()), max(edges[-1], known.max())
    return Histogram(
        field=field,
        unit=unit,
        edges=[round(float(edge), 4) for edge in edges],
        counts=counts.tolist(),
        median=float(np.median(known)),
    )


def count_words(texts: Iterable[str], limit: int) -> Words:
    """The `limit` most frequent words of `texts`, without case and punctuation, and as many that are said once."""
    said: Counter[str] = Counter()
    holding: Counter[str] = Counter()
    for text in texts:
        words = plain(text).split()
        said.update(words)
        holding.update(set(words))
    rare = sorted(word for word, count in said.items() if count == 1)[:limit]

    def counted(word: str) -> WordCount:
        return WordCount(word=word, count=said[word], clips=holding[word])

    frequent = [counted(word) for word, count in said.most_common(limit) if count > 1]
    return Words(different=len(said), frequent=frequent, rare=[counted(word) for word in rare])
