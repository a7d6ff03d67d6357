"""`studio label`: labels looked at, rewritten, pre-labelled and doubted, from a terminal or as a task of the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from studio.cli.rendering.datasets import listed_ids, once_each
from studio.data.labels.numbers import offenders
from studio.data.labels.proposals import as_diff
from studio.data.manifest import Dataset, Utterance
from studio.data.store import asr_results
from studio.data.view.query import Selection
from studio.errors import ConfigError, DataError
from studio.evaluation.evaluate import open_dataset
from studio.inference import label_offers
from studio.inference.batched import skipped_sentence
from studio.inference.label_errors import LIKELY, find_suspects
from studio.inference.label_offers import Request
from studio.inference.prelabel import prelabel
from studio.runs import tasks
from studio.text import Convention, counted
from studio.workspace import Workspace

SHOWN = 40  # proposals that a terminal prints; --json prints all
RANKED = 20  # suspects that a terminal prints
LOST = "This model gets most words of these clips wrong, so its suspects mean little: train on them first, then repeat."


def chosen(workspace: Workspace, name: str, query: str, listed: Path | None = None) -> tuple[Dataset, list[Utterance]]:
    """The dataset `name`, and its clips that match `query`, or those whose ids are in the file `listed`.

    Raises DataError, DiskError.
    """
    dataset = open_dataset(workspace, name)
    given = listed_ids(dataset, listed) if listed else None
    clips = dataset.select_clips(Selection(ids=given, query=None if listed else query))
    if query and not clips:
        raise DataError(f"No clip matches “{query}”.", "Try it in the Review tab first.")
    return dataset, clips


def one_of(*wanted: object) -> int:
    """How many of what can be asked for were; one at most. Raises ConfigError."""
    if (count := sum(map(bool, wanted))) > 1:
        raise ConfigError("Labels can be changed in one way at a time.", "Call `studio label` once for each.")
    return count


def rules(chosen: Sequence[str], numbers: str | None) -> dict[str, str]:
    """`["money=words"]` as a mapping, for labels that write `numbers` so. Raises ConfigError."""
    if chosen and not numbers:
        raise ConfigError("--rule says how --numbers rewrites labels.", "Add --numbers words or --numbers digits.")
    pairs = [text.partition("=") for text in chosen]
    if wrong := [name for name, equals, value in pairs if not (name and equals and value)]:
        raise ConfigError(f"“{wrong[0]}” is not a rule.", "Write it like money=words.")
    return once_each("--rule", [(name, value) for name, _, value in pairs])


def propose(dataset: Dataset, clips: Sequence[Utterance], request: Request, apply: bool, as_json: bool) -> str:
    """Show what `request` would change, or change it. Raises StudioError."""
    made = label_offers.offer(dataset, clips, request)
    if request.kind == "heard" and not made.clips:  # the page shows how to begin instead
        raise DataError("No model has transcribed these clips yet.", "Pre-label them first, then use the transcripts.")
    if as_json:
        said = json.dumps(made.model_dump(mode="json") | {"applied": apply}, indent=2, ensure_ascii=False)
    else:
        said = _shown(made, apply)
    if apply:
        label_offers.accept(dataset, clips, request, made.digest)
    return said


def validate(clips: Sequence[Utterance], convention: Convention, as_json: bool) -> tuple[str, int]:
    """Every label that is not in the convention; and how many there are."""
    found = offenders(clips, convention)
    if as_json:
        return json.dumps([item.model_dump() for item in found], indent=2, ensure_ascii=False), len(found)
    if not found:
        return f"All {counted(len(clips), 'label')} write numbers as {convention}.", 0
    other = "digits" if convention == "words" else "number words"
    rows = [f"{item.id}  {item.text}  ({', '.join(item.found)})" for item in found]
    rows.append(f"{len(found):,} of {counted(len(clips), 'label')} still hold {other}.")
    return "\n".join(rows), len(found)


def report(clips: Sequence[Utterance], model: str, as_json: bool) -> str:
    """The style check: what is inconsistent, with examples and how to fix each."""
    found = label_offers.style(clips, model)
    if as_json:
        return json.dumps([item.model_dump() for item in found], indent=2, ensure_ascii=False)
    rows = [f"{counted(len(clips), 'label')}."] + ["All are written in one style."] * (not found)
    for item in found:
        rows += [f"{item.count:>6,}  {item.title} ({item.kind}). {item.what}"]
        rows += [f"        “{example}”" for example in item.examples]
    rows += ["Fix one kind with --style KIND: the changes are shown first."] * bool(found)
    return "\n".join(rows)


def undo(dataset: Dataset) -> str:
    """Undo the latest action, whatever it was. Raises DataError where there is none, ConflictError."""
    action = dataset.undo()
    if action is None:
        raise DataError(f"There is nothing to undo in {dataset.name}.")
    return f"Undone: {action.what}."


def read(
    workspace: Workspace, dataset: Dataset, clips: Sequence[Utterance], model: str, adapter: str | None, device: str
) -> None:
    """Pre-label `clips`; reports its progress to whoever started it. Raises StudioError."""
    with tasks.reporting() as tell:
        recogniser = _loaded(workspace, model, adapter, device, tell)
        skipped = prelabel(recogniser, dataset, clips, adapter, partial(tell, "reading"))
        _check_some_read(clips, skipped)
        count = len(clips) - len(skipped)
        tell.note(f"{counted(count, 'clip')} transcribed. {skipped_sentence(skipped)}".strip())


def doubt(
    workspace: Workspace, dataset: Dataset, clips: Sequence[Utterance], model: str, adapter: str | None, device: str
) -> None:
    """Look for suspect labels among `clips`, and print the first. Raises StudioError."""
    with tasks.reporting() as tell:
        recogniser = _loaded(workspace, model, adapter, device, tell)
        found = find_suspects(recogniser, dataset, clips, adapter, partial(tell, "reading"))
        _check_some_read(clips, found.skipped)
        what = f"{found.likely:,} of {counted(found.clips, 'clip')} may have a wrong label."
        tell.note(" ".join([what, *[LOST] * found.is_lost, skipped_sentence(found.skipped)]).strip())
        print(_ranked(dataset, clips))


def _check_some_read(clips: Sequence[Utterance], skipped: Sequence[str]) -> None:
    """Raises DataError where there was no clip to read, or none that could be."""
    if not clips:
        raise DataError("There are no clips to transcribe.", "Record or import clips first.")
    if len(skipped) == len(clips):
        raise DataError(f"No clip could be transcribed: {skipped[0]}", "Record them again, or choose another model.")


def _loaded(workspace: Workspace, model: str, adapter: str | None, device: str, tell: tasks.TaskProgress) -> Any:
    from studio.models import load
    from studio.models.adapters import find_adapter

    tell("loading", 0, 0)
    folder: Path | None = find_adapter(adapter, workspace) if adapter else None
    return load(model, device, adapter=folder)


def _ranked(dataset: Dataset, clips: Sequence[Utterance]) -> str:
    wanted = {clip.id for clip in clips}
    doubted = [
        item for item in asr_results.read(dataset).values() if item.id in wanted and (item.suspicion or 0) > LIKELY
    ]
    doubted.sort(key=lambda item: -(item.suspicion or 0))
    return "\n".join(f"{item.suspicion:.2f}  {item.id}  “{item.label}”  {item.reason}" for item in doubted[:RANKED])


def _shown(made: label_offers.Offer, apply: bool) -> str:
    count = len(made.proposals)
    if not count:
        return f"{made.title}: nothing to change in {counted(made.clips, 'label')}."
    more = [f"… and {count - SHOWN:,} more (--json prints all)."] if count > SHOWN else []
    last = "changed; --undo reverts it." if apply else "would change. Nothing was written: --apply does it."
    summary = f"{made.title}: {count:,} of {counted(made.clips, 'label')} {last}"
    align = f"{counted(made.untimed, 'of them loses', 'of them lose')} word times: `studio align` makes new ones."
    return "\n".join([as_diff(made.proposals[:SHOWN]), *more, summary, *[align] * bool(made.untimed)])
