"""`studio align`: start and end of every word, from a terminal or as a task of the page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from studio.data.manifest import Dataset, Utterance
from studio.errors import ConfigError, DataError
from studio.inference.alignment import aligner, job
from studio.models import Recogniser
from studio.runs import tasks
from studio.text import counted
from studio.workspace import Workspace


def run(
    workspace: Workspace,
    dataset: Dataset,
    clips: Sequence[Utterance],
    model: str,
    *,
    rough: bool,
    again: bool,
    device: str,
) -> None:
    """Time the words of those `clips` that have no times; reports its progress to whoever started it.

    Raises StudioError.
    """
    if model and rough:
        raise ConfigError("--rough aligns without a model.", "Leave --model or --rough out.")
    with tasks.reporting(" clips") as tell:
        if not clips:
            raise DataError("There are no clips to align.", "Record or import clips first.")
        todo = job.waiting(clips, again=again)
        if not todo:
            tell.note("Every label has its word times: nothing to align. With --again they are timed again.")
            return
        tell("loading", 0, 0)
        recogniser = None if rough else _recogniser(workspace, model, device)
        came = job.align_clips(recogniser, dataset, todo, partial(tell, "aligning"))
        if not came.timed:
            raise DataError(f"No clip could be aligned: {came.skipped[0]}", "Correct its label, or record it again.")
        tell.note(" ".join([_done(recogniser, came.timed), job.skipped_sentence(came.skipped)]).strip())


def _recogniser(workspace: Workspace, model: str, device: str) -> Recogniser | None:
    return aligner.chosen(model, device) if model else aligner.find(workspace, device)


def _done(recogniser: Recogniser | None, count: int) -> str:
    what = f"The words of {counted(count, 'clip')} have their times"
    if recogniser:
        return f"{what}, by {recogniser.source}."
    return f"{what}, roughly: by loudness and letters, since there is no Whisper on this disk. {aligner.FETCH}"
