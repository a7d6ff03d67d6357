"""All clips of a dataset at once: figures that are missing are measured, and what they say is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from pydantic import BaseModel, ConfigDict

from studio.audio import read
from studio.audio.edges import offered
from studio.audio.measurements import Quality, remembered
from studio.config import Kind
from studio.data.manifest import Dataset
from studio.data.quality.verdicts import NAMES, Code, Finding, Verdict, verdict
from studio.data.utterance import Utterance, clips_of
from studio.data.view.pair_rows import PairTableRow
from studio.data.view.table import Table
from studio.errors import StudioError

PIECE = 500  # clips whose figures are written at once: what a cancelled check has measured stays


class Judged(BaseModel):
    """One clip and what is to be said about it."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    verdict: Verdict
    findings: list[Finding]


class Count(BaseModel):
    """How many clips have one finding."""

    model_config = ConfigDict(frozen=True)

    code: Code
    name: str
    clips: int
    verdict: str  # the worst of them: look, re-record or note


class Report(BaseModel):
    """What a check of a dataset says."""

    model_config = ConfigDict(frozen=True)

    kind: Kind = "speech"  # of the dataset
    clips: int
    unmeasured: int  # clips without figures of today
    verdicts: dict[Verdict, int]
    counts: list[Count]  # the most frequent first
    doubtful: list[Judged]  # clips that are not fine, those to record again first
    trim_clips: int  # clips where trimming is offered
    trim_seconds: float
    problems: list[str]  # of the dataset itself

    @property
    def is_sound(self) -> bool:
        """Whether nothing asks for a person."""
        return not self.problems and not self.doubtful and not self.unmeasured


def unmeasured(clips: Iterable[Utterance], *, again: bool = False) -> list[Utterance]:
    """The clips without figures of today's way of measuring; all of them `again`."""
    return [clip for clip in clips if again or Quality.known(clip.quality) is None]


def measure_missing(dataset: Dataset, tell: Callable[[int, int], None], *, again: bool = False) -> list[str]:
    """Measure the clips that lack figures, and write them down; sentences about those that cannot be read.

    `tell(done, total)` may raise to stop: what was measured until then is written. Raises DiskError.
    """
    waiting = unmeasured(clips_of(dataset.examples()), again=again)
    found: dict[str, dict[str, object]] = {}
    unreadable: list[str] = []
    try:
        for done, clip in enumerate(waiting):
            tell(done, len(waiting))
            try:
                found[clip.id] = {"quality": remembered(read(dataset.clip_path(clip)))}
            except StudioError as error:
                unreadable.append(f"{clip.audio_filepath}: {error}")
            if len(found) >= PIECE:
                _write(dataset, found)
        tell(len(waiting), len(waiting))
    finally:
        _write(dataset, found)
    return unreadable


def report(dataset: Dataset) -> Report:
    """What the figures of all clips say, without measuring any. Raises DiskError."""
    clips, recorded = dataset.examples(), clips_of(dataset.examples())
    judged = _judged(Table.of(dataset))
    worst: dict[Code, list[str]] = {}
    for one in judged:
        for finding in one.findings:
            worst.setdefault(finding.code, []).append(finding.verdict)
    cuts = [
        cut for clip in recorded if (known := Quality.known(clip.quality)) and (cut := offered(known, clip.duration))
    ]
    counted: Counter[Verdict] = Counter(one.verdict for one in judged)
    return Report(
        kind=dataset.kind,
        clips=len(clips),
        unmeasured=len(clips) - len(judged),
        verdicts={"fine": counted["fine"], "look": counted["look"], "re-record": counted["re-record"]},
        counts=sorted(map(_count, worst.items()), key=lambda count: (count.verdict == "note", -count.clips)),
        doubtful=sorted((one for one in judged if one.verdict != "fine"), key=lambda one: one.verdict, reverse=True),
        trim_clips=len(cuts),
        trim_seconds=round(sum(cuts), 1),
        problems=dataset.problems(),
    )


def _judged(table: Table) -> list[Judged]:
    """Every clip that has figures, with what is to be said about it among the others."""
    found = (
        (row.clip, list(table.findings(row)))
        for row in table.rows
        if isinstance(row, PairTableRow) or row.figure("version")
    )
    return [Judged(id=clip.id, text=clip.text, verdict=verdict(said), findings=said) for clip, said in found]


def _count(found: tuple[Code, list[str]]) -> Count:
    code, verdicts = found
    worst = next(name for name in ("re-record", "look", "note") if name in verdicts)
    return Count(code=code, name=NAMES[code], clips=len(verdicts), verdict=worst)


def _write(dataset: Dataset, found: dict[str, dict[str, object]]) -> None:
    """Write down the figures of clips that are still there, in one write, and forget them here."""
    there = {clip.id for clip in dataset.examples()}
    dataset.change({id: fields for id, fields in found.items() if id in there}, "Quality measured")
    found.clear()
