"""What a person should record next: from the clips, their own terms, and what models got wrong."""

from __future__ import annotations

from collections.abc import Iterator

from studio.data import prompts
from studio.data.manifest import Dataset
from studio.data.prompts.needs import misheard, needed
from studio.data.store import asr_results
from studio.errors import JobError
from studio.evaluation.evaluate import Evaluation
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text import Convention
from studio.workspace import Workspace, expanded


def read_next(
    workspace: Workspace, dataset: Dataset, *, count: int = 20, convention: Convention = "words", run: str = ""
) -> list[prompts.Prompt]:
    """The `count` sentences most worth recording next, each with why: see `studio.data.prompts.needs`.

    Words count as missed where the tuned model of `run`, or else the newest of this dataset, wrote them wrong on its
    held-out clips, and where a model that read the clips (`studio label --prelabel`) disagrees with a label. Raises
    DataError.
    """
    missed = missed_words(workspace, dataset, run)
    own = [card for card in prompts.load(dataset) if not card.why]
    terms = prompts.load_terms(dataset)
    return needed(dataset.utterances(), missed, terms, own, count=count, convention=convention)


def missed_words(workspace: Workspace, dataset: Dataset, run: str = "") -> dict[str, prompts.Misheard]:
    """The words that models got wrong, the most often missed first; of the tuned ones, that of `run` or the newest."""
    evaluation = Evaluation.read(RunFolder(workspace.run(run)).tuned) if run else _newest(workspace, dataset)
    return misheard(_read_and_written(dataset, evaluation))


def _read_and_written(dataset: Dataset, evaluation: Evaluation | None) -> Iterator[tuple[str, str]]:
    rows = evaluation.rows if evaluation else []
    yield from ((row.reference, row.hypothesis) for row in rows)
    scored = {row.id for row in rows}
    known = asr_results.read(dataset)
    for clip in dataset.utterances():
        if clip.id in known and clip.id not in scored:
            yield clip.text, known[clip.id].text


def _newest(workspace: Workspace, dataset: Dataset) -> Evaluation | None:
    """What the newest tuned model of `dataset` wrote for its held-out clips."""
    for name in workspace.runs():
        folder = RunFolder(workspace.run(name))
        try:
            record = RunRecord.read(folder)
        except JobError:
            continue
        places = (workspace.recordings / record.dataset, expanded(record.dataset))
        if dataset.folder in places and (found := Evaluation.read(folder.tuned)):
            return found
    return None
