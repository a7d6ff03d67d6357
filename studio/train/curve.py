"""The smaller runs of a learning curve: the settings of a finished run, on nested shares of its training clips."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from studio.data.manifest import Example
from studio.data.splits.assignment import MINIMUM
from studio.errors import DataError, JobError
from studio.evaluation.learning_curve import SHARES
from studio.models import pick_device
from studio.models.precision import pick_precision
from studio.runs import events
from studio.runs.events import StepDone
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text import counted
from studio.train import clips
from studio.train.finetune import run
from studio.workspace import Workspace

SMALLER = SHARES[:-1]


def train_smaller(folder: RunFolder, workspace: Workspace, tell: Callable[[int, int], None]) -> bool:
    """Train what is missing of the curve of the finished run in `folder`; whether all of it is there now.

    `tell(done, total)` counts optimiser steps of all of them, and may raise to stop: what was learnt up to the last
    checkpoint is kept, and called again this goes on there. So it does where SIGTERM ended it, which returns False.
    Raises JobError where the run has not finished, DataError where it has too few clips, and as `finetune.run`.
    """
    if not folder.done.is_file():
        raise JobError(f"The run “{folder.name}” has not finished.", f"Resume it: studio resume {folder.name}")
    record = RunRecord.read(folder)
    total = record.max_steps * len(SMALLER)
    for place, share in enumerate(SMALLER):
        point, before = folder.point(share), place * record.max_steps
        tell(before, total)
        if not point.done.is_file():
            _begin(folder, record, point, share)
            _train(record, point, workspace, lambda step, before=before: tell(before + step, total))  # type: ignore[misc]
            if not point.done.is_file():
                return False
    tell(total, total)
    return True


def _train(record: RunRecord, point: RunFolder, workspace: Workspace, tell: Callable[[int], None]) -> None:
    step = 0
    with events.appending(point.events) as write:
        for event in run(record.config, point, workspace, resume=True):
            write(event)
            step = event.step if isinstance(event, StepDone) else step
            tell(step)


def _begin(folder: RunFolder, record: RunRecord, point: RunFolder, share: int) -> None:
    """Lay out `point` as a run that was interrupted before its first step, the base model's scores known already."""
    if point.config.is_file():
        return
    splits = clips.kept(folder)
    smaller = {**splits, "train": nested(splits["train"], share, record.seed)}
    point.path.mkdir(parents=True, exist_ok=True)
    clips.keep(smaller, point)
    for name in (folder.general, folder.baseline, folder.general_baseline):
        if name.is_file():
            shutil.copyfile(name, point.path / name.name)
    update: dict[str, Any] = {"run": f"{folder.name}, {share} %"}
    device = pick_device(record.device)
    if device != record.resolved_device:  # the run was trained elsewhere
        precision = pick_precision(record.precision, record.model, device)
        update |= {"resolved_device": device, "resolved_precision": precision}
    record.model_copy(update=update).using(smaller).write(point)  # last: with it the run has begun


def nested(chosen: Sequence[Example], share: int, seed: int) -> list[Example]:
    """`share` percent of `chosen`, in their order: drawn by `seed`, and part of any larger share. Raises DataError."""
    least = math.ceil(100 * MINIMUM["train"] / min(SHARES))
    if len(chosen) < least:
        clips = counted(len(chosen), "training clip is", "training clips are")
        what = f"{clips} too few for a learning curve: a quarter of them is too little."
        raise DataError(what, f"Record until there are {least}, and train again.")
    order = list(range(len(chosen)))
    random.Random(seed).shuffle(order)
    return [chosen[place] for place in sorted(order[: round(len(chosen) * share / 100)])]
