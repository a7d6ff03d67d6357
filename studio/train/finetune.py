"""A whole run: from a dataset and settings to an adapter, its scores before and after, and a report.

The run's folder shows how far it came, so a run that was killed continues from there:

    config.json, manifest.jsonl     settings and clips: without both a resume begins anew
    general.jsonl                   the clips of the general set, where one is replayed
    heldout_baseline.json           the base model on the test split: not scored again
    checkpoints/                    training goes on from the newest
    DONE                            there is nothing left to do

A resumed run says `Started` again, and repeats exactly the steps that came after its checkpoint. So in
`events.jsonl` a `Started` takes back what lines before it say of steps after its `resumed_from`, and of two
lines about the same step (and split) the later one counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from studio.config import TrainConfig
from studio.errors import ConfigError, JobError, StudioError
from studio.evaluation.evaluate import open_dataset
from studio.models import before_start, locate, pick_device
from studio.models.precision import pick_precision
from studio.models.registry import family_of
from studio.models.targets import EARLIER_NAMES
from studio.models.writable import Splits
from studio.runs.events import Event, Failed, Phase
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.train import clips, general
from studio.train.prepared import RunPlan, prepare
from studio.train.randomness import reproducible
from studio.train.ranks import SingleProcess
from studio.train.resources import out_of_memory_explained
from studio.train.stages import FineTune
from studio.train.stopping import Stopper
from studio.workspace import Workspace, disk_errors_explained


def run(
    config: TrainConfig,
    folder: RunFolder,
    workspace: Workspace,
    *,
    resume: bool = False,
    ranks: SingleProcess | None = None,
) -> Iterator[Event]:
    """Fine-tune by `config` on a dataset of `workspace` into `folder`, yielding what happens.

    The caller writes it to `folder.events`.

    With `resume` it continues the run that was begun in `folder`, or begins one where there is none. A stop
    request that is in `folder` already is obeyed, so clear an old one first. SIGTERM writes a checkpoint and ends
    the run as interrupted. With `ranks` other processes share its steps. What goes wrong is yielded as Failed and
    then raised: ConfigError, DataError, ModelError, DeviceError, DiskError, JobError.
    """
    stopper, began = Stopper(folder), time.perf_counter()
    yield Phase(name="loading")
    try:
        with stopper.listening(), out_of_memory_explained(), disk_errors_explained():
            plan, moved = _plan(config, folder, workspace, resume)
            with reproducible(config.seed, plan.record.resolved_threads):
                prepared = prepare(plan, moved, folder, stopper, ranks or SingleProcess(), began)
                yield from FineTune(prepared, stopper).events()
    except StudioError as error:
        yield Failed(message=error.what, remedy=error.remedy)
        raise


def _plan(config: TrainConfig, folder: RunFolder, workspace: Workspace, resume: bool) -> tuple[RunPlan, list[str]]:
    """What the run in `folder` is about, as it was planned when it began; and what was moved for it now."""
    if folder.done.exists():
        raise JobError(f"The run “{folder.name}” is finished.", "Start a new run.")
    if folder.has_begun and not resume:
        raise JobError(f"There is a run “{folder.name}” already.", "Choose another name, or resume that run.")
    dataset = open_dataset(workspace, config.dataset)
    if folder.has_begun:
        record = RunRecord.read(folder)
        _check_same(config, record)
        others = general.kept(record.config, folder, workspace)
        return RunPlan(record, dataset, clips.kept(folder), others, workspace), []
    before_start.check_kind(config, family_of(locate(config.model)), dataset.kind)
    splits, moved = clips.choose(dataset)
    others = general.choose(config, splits, workspace)
    record = _new_record(config, folder, splits)
    general.keep(others, folder)
    clips.keep(splits, folder)
    return RunPlan(record, dataset, splits, others, workspace), moved


def _new_record(config: TrainConfig, folder: RunFolder, splits: Splits) -> RunRecord:
    import torch

    device = pick_device(config.device)
    record = RunRecord.of(
        config,
        folder.name,
        device=device,
        threads=config.threads or torch.get_num_threads(),
        precision=pick_precision(config.precision, config.model, device),
    ).using(splits)
    record.write(folder)
    return record


def _check_same(config: TrainConfig, begun: RunRecord) -> None:
    for name, was in begun.config.model_dump().items():
        now = getattr(config, name)
        if name not in begun.later and EARLIER_NAMES.get(now, now) != EARLIER_NAMES.get(was, was):
            raise ConfigError(
                f"This run was begun with {name} {was}, not {now}.",
                "Resume it unchanged, or start a new run.",
            )
