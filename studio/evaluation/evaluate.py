"""Score a recogniser on one split of a dataset: what it wrote for each clip, and the errors in all."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from studio.config import Kind
from studio.data.manifest import Dataset, Example, Pair, Utterance
from studio.data.splits.assignment import test_set_hash
from studio.data.store import renaming
from studio.data.store.lines import CLASSES, kind_of, split_lines
from studio.data.utterance import Split
from studio.errors import DataError, JobError
from studio.evaluation import failure_modes
from studio.evaluation.cache import HypothesisCache
from studio.evaluation.failure_modes import Alarm, Probe
from studio.evaluation.figures import character_rate, percent, sentences_right, word_rate
from studio.evaluation.hypotheses import Hypotheses, transcribed, usable
from studio.evaluation.typing_figures import figures, typing_score
from studio.models import Hypothesis, Recogniser, load_to_read
from studio.models.language import language_of
from studio.models.writable import named, unwritable
from studio.progress import OnProgress, unwatched
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text import counted, spoken_name
from studio.text.metrics import Score, score
from studio.typing.scores import TypingScore
from studio.workspace import Workspace, expanded, write_atomically


class ScoredClip(BaseModel):
    """One clip: what was said, and what was written."""

    model_config = ConfigDict(frozen=True)

    id: str
    audio_filepath: str = ""  # relative to the dataset folder; a typing pair has none
    typed: str = ""  # what was typed, of a pair
    reference: str
    hypothesis: str
    wer: float  # of this clip alone, by the evaluation's normaliser
    seconds: float  # of audio
    latency: float  # seconds from samples to text; clips are transcribed in batches, whose time is divided evenly
    confidence: float | None = None  # mean token probability, 0..1
    words: list[tuple[str, float]] | None = None  # each word, and the lowest probability of its tokens, 0..1

    @property
    def as_read(self) -> Hypothesis:
        """What the model wrote, without the reference."""
        facts = self.model_dump(include={"seconds", "latency", "confidence", "words"})
        return Hypothesis(text=self.hypothesis, **facts)


class Evaluation(BaseModel):
    """One recogniser on one split."""

    model_config = ConfigDict(frozen=True)

    model: str
    adapter: str | None  # the name of the run or the adapter folder; None is the base model
    split: Split
    test_set_hash: str  # of the clips and labels below: equal hashes can be compared
    score: Score  # by the normaliser that was asked for
    spoken: Score  # whichever way numbers are written, in the language of the model
    typing: TypingScore | None = None  # of typing pairs: what was corrected, and what was touched
    rows: list[ScoredClip]
    skipped: list[str] = []  # clips that could not be scored, and why
    unwritable: list[str] = []  # clips whose label this model cannot write, and why: wrong before and after alike
    probes: list[Probe] = []  # what was written for silence and noise
    alarms: list[Alarm] | None = None  # of the clips and the probes; None in results of an earlier version

    @property
    def kind(self) -> Kind:
        """What was put in: sound, or typed text."""
        return "typing" if self.rows and self.rows[0].typed else "speech"

    @property
    def noun(self) -> str:
        """What one of the rows is called."""
        return CLASSES[self.kind].noun

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The evaluation in `path`, or None where there is none that can be read."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def by(self, normaliser: str) -> Evaluation:
        """The same texts, compared by `normaliser` and counted as this version does: nothing is transcribed again."""
        references, texts = [row.reference for row in self.rows], [row.hypothesis for row in self.rows]
        rows = [
            row.model_copy(update={"wer": score([row.reference], [row.hypothesis], normaliser).wer})
            for row in self.rows
        ]
        return self.model_copy(update={"rows": rows, "score": score(references, texts, normaliser)})

    def write(self, path: Path) -> None:
        """Replace `path` atomically. Raises DiskError."""
        write_atomically(path, self.model_dump_json(indent=1) + "\n")


class Comparison(BaseModel):
    """The same clips transcribed by a base model and, where there is an adapter, with it."""

    model_config = ConfigDict(frozen=True)

    before: Evaluation
    after: Evaluation | None


def evaluate(
    recogniser: Recogniser,
    dataset: Dataset,
    split: Split = "test",
    normaliser: str = "exact",
    *,
    clips: Sequence[Example] | None = None,
    with_adapter: bool = True,
    adapter: str | None = None,
    on_progress: OnProgress = unwatched,
    kept: Path | None = None,
) -> Evaluation:
    """Read every usable clip of `split`, or of `clips`, and score it; `on_progress(done, total)` counts them.

    `adapter` is what the result calls the adapter. The folder `kept` holds the hypotheses so far: stopped and called
    again it goes on there, with the same result. Raises DataError where no clip can be used.
    """
    from studio.models.adapters import without_adapter

    chosen = clips if clips is not None else dataset.in_splits(split)
    good, skipped = usable(dataset, chosen, recogniser.family)
    nothing = DataError(f"The {split} split of “{dataset.name}” has no clip to score.", "Record more clips first.")
    if not good:
        raise nothing
    known = (
        HypothesisCache.of(kept, recogniser, hash_of(good), with_adapter=with_adapter) if kept else HypothesisCache()
    )
    read = Hypotheses()
    with nullcontext() if with_adapter else without_adapter(recogniser):
        for batch in transcribed(recogniser, dataset, good, known):
            read.add(batch)
            on_progress(read.done, len(good))
        probes = failure_modes.probes(recogniser)
    good, skipped = read.clips_of(good), skipped + read.skipped
    if not good:
        raise nothing
    found = scored(
        good,
        list(read.texts.values()),
        model=recogniser.source,
        adapter=adapter if with_adapter else None,
        normaliser=normaliser,
        skipped=skipped,
        probes=probes,
    )
    return found.model_copy(update={"unwritable": named(unwritable(good, recogniser))})


def compare(
    workspace: Workspace,
    run: str,
    *,
    model: str | None = None,
    adapter: Path | None = None,
    split: Split = "test",
    normaliser: str = "exact",
    device: str = "auto",
    on_progress: OnProgress = unwatched,
) -> Comparison:
    """Score the run called `run` before and after, on the clips that it began with.

    With `model`, `run` is a dataset instead, and scored as it is now: by that model, and with the adapter in
    `adapter` where one is given. Killed and called again, it goes on with the batch that it was killed in.
    Raises JobError, DataError, ModelError, DeviceError.
    """
    if model is None:
        folder = RunFolder(workspace.run(run))
        record = RunRecord.read(folder)
        dataset, clips = open_dataset(workspace, record.dataset), read_manifest(folder.manifest)
        model, adapter, named = record.model, folder.adapter, run
    else:
        dataset, named = open_dataset(workspace, run), str(adapter)
        clips = dataset.examples()
    chosen = [clip for clip in clips if clip.split == split]
    recogniser = load_to_read(model, device, adapter)
    kept = workspace.readings / hashlib.sha256(f"{dataset.folder} {named} {split}".encode()).hexdigest()[:16]
    read = partial(evaluate, recogniser, dataset, split, normaliser, clips=chosen, on_progress=on_progress, kept=kept)
    found = Comparison(before=read(with_adapter=False), after=read(adapter=named) if adapter else None)
    shutil.rmtree(kept, ignore_errors=True)  # the next evaluation starts over, and measures its own time
    return found


def as_text(comparison: Comparison) -> str:
    """`comparison` as a few lines for a terminal."""
    before, after = comparison.before, comparison.after
    clips, words = counted(before.score.clips, before.noun), counted(before.score.words, "word")
    lines = [f"{before.model}: {clips} of the {before.split} split, {words}, test set {before.test_set_hash}"]
    for name, value in _figures(before).items():
        then = f" → {_figures(after).get(name, '–')}" if after else ""
        lines.append(f"  {name:<24}{value:>8}{then}")
    typed = figures(before.typing, after.typing if after else before.typing)
    lines += [f"  {name:<46}{value:>8}" + (f" → {then}" if after else "") for name, value, then in typed]
    lines += [f"  {failure_modes.sentence(before.alarms, after.alarms, after.kind)}"] if after else []
    lines += [f"  always wrong: the model cannot write the label: {reason}" for reason in before.unwritable]
    return "\n".join(lines + [f"  left out: {reason}" for reason in before.skipped])


def save(comparison: Comparison, path: Path) -> None:
    """Write `comparison` as JSON. Raises DiskError."""
    write_atomically(path, comparison.model_dump_json(indent=1) + "\n")


def scored(
    clips: Sequence[Example],
    hypotheses: Sequence[Hypothesis],
    *,
    model: str,
    adapter: str | None,
    normaliser: str,
    skipped: Sequence[str] = (),
    probes: Sequence[Probe] = (),
) -> Evaluation:
    """The evaluation of `hypotheses`, one a clip, all of one split; `probes` where silence was transcribed as well."""
    references, texts = [clip.text for clip in clips], [hypothesis.text for hypothesis in hypotheses]
    rows = [
        ScoredClip(
            id=clip.id,
            audio_filepath=clip.audio_filepath if isinstance(clip, Utterance) else "",
            typed=clip.typed if isinstance(clip, Pair) else "",
            reference=clip.text,
            hypothesis=hypothesis.text,
            wer=score([clip.text], [hypothesis.text], normaliser).wer,
            seconds=hypothesis.seconds,
            latency=hypothesis.latency,
            confidence=hypothesis.confidence,
            words=hypothesis.words,
        )
        for clip, hypothesis in zip(clips, hypotheses, strict=True)
    ]
    return Evaluation(
        model=model,
        adapter=adapter,
        split=clips[0].split,
        test_set_hash=hash_of(clips),
        score=score(references, texts, normaliser),
        spoken=score(references, texts, spoken_name(language_of(model))),
        typing=typing_score(clips, hypotheses),
        rows=rows,
        skipped=list(skipped),
        probes=list(probes),
        alarms=_alarms(rows, probes),
    )


def hash_of(clips: Sequence[Example]) -> str:
    """The name of exactly these clips with these labels, whichever split they are of."""
    return test_set_hash([clip.model_copy(update={"split": "test"}) for clip in clips])


def read_manifest(path: Path) -> list[Example]:
    """The clips or pairs that a run began with. Raises JobError where they are not there."""
    try:
        content = split_lines(path.read_bytes())
        return [CLASSES[kind_of(line)].model_validate_json(line) for line in content]
    except (FileNotFoundError, ValidationError) as error:
        raise JobError(f"{path} cannot be read.", "Start a new run.") from error


def open_dataset(workspace: Workspace, name: str) -> Dataset:
    """The dataset called `name` under recordings/, or else in the folder `name`. Raises DataError."""
    for folder in (workspace.recordings / name, expanded(name)):
        if (folder / "manifest.jsonl").is_file():
            return Dataset.open(folder)
    if new := renaming.finish(workspace).get(name):
        return Dataset.open(workspace.dataset(new))
    raise DataError(f"There is no dataset “{name}”.", f"Record one first: `studio record {name}`.")


def _figures(evaluation: Evaluation) -> dict[str, str]:
    score = evaluation.score
    digits = {"errors per digit": percent(score.digit_error)} if score.digit_error is not None else {}
    return {
        f"WER, {score.normaliser}": word_rate(score),
        f"CER, {score.normaliser}": character_rate(score),
        "WER, spoken": word_rate(evaluation.spoken),
        **digits,
        "sentences right": sentences_right(score),
    }


def _alarms(rows: Sequence[ScoredClip], probes: Sequence[Probe]) -> list[Alarm]:
    times = (math.inf if row.typed else row.seconds for row in rows)
    kinds = (
        (row, failure_modes.of_text(row.reference, row.hypothesis, seconds))
        for row, seconds in zip(rows, times, strict=True)
    )
    found = [Alarm(kind=kind, where=row.id, text=row.hypothesis) for row, kind in kinds if kind]
    return found + [alarm for probe in probes if (alarm := failure_modes.of_probe(probe))]
