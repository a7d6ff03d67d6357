"""The studio from Python: the same steps as the command line, on objects. `studio/docs/python.md` shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.errors import ConfigError
from studio.runs import control, events, foreground
from studio.runs.events import Event, PhaseName
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.workspace import Workspace

if TYPE_CHECKING:
    from studio.export.gate import ExportReport
    from studio.export.merged import MergeReport
    from studio.inference.transcribe import TranscribedClip
    from studio.models import Recogniser


def fine_tune(
    dataset: Dataset,
    config: TrainConfig,
    on_event: Callable[[Event], object] | None = None,
    *,
    name: str | None = None,
    workspace: Workspace | None = None,
) -> RunFolder:
    """Fine-tune on `dataset` in this process, and return the run's folder; `on_event` gets each event as it happens.

    The run appears in the page and in `studio runs`, and can be stopped there. `workspace` is by default the one that
    holds the dataset. A run `name` that was interrupted continues from its last checkpoint. Raises JobError where
    another run is going on; ConfigError, DataError, ModelError, DeviceError, DiskError.
    """
    from studio.train.finetune import run

    workspace = workspace or workspace_of(dataset)
    config = config.model_copy(update={"dataset": _name_of(dataset, workspace)})
    folder = control.training_folder(workspace, config, name)
    job = control.training(config, folder.name)
    with foreground.in_foreground(folder, job.command, job.about), events.appending(folder.events) as write:
        for event in run(config, folder, workspace, resume=folder.has_begun):
            write(event)
            if on_event:
                on_event(event)
    return folder


def load_run(run: RunFolder, device: str = "auto") -> Recogniser:
    """The base model of `run` with its adapter. Raises JobError, ModelError, DeviceError."""
    from studio.models import load

    return load(RunRecord.read(run).model, device, adapter=run.adapter)


def transcribe(recogniser: Recogniser, files: Sequence[Path | str]) -> list[TranscribedClip]:
    """What `recogniser` writes for each sound file of any length, in their order.

    A file that cannot be read as sound has an `error` instead of a text. Raises DataError where a file is missing.
    """
    from studio.inference.transcribe import read_all, sound_files

    return read_all(recogniser, sound_files([Path(file) for file in files]))


def export_model(run: RunFolder, out: Path | None = None) -> MergeReport:
    """Merge the adapter of `run` into its base model: a folder that plain transformers loads.

    It is written to `out`, by default `merged` in the run's folder. Raises ModelError, ConfigError, DiskError.
    """
    from studio.export.merged import merge_run

    return merge_run(Workspace(run.path.parent.parent), run.name, out)


def export_to(
    run: RunFolder,
    target: str,
    precision: str | None = None,
    out: Path | None = None,
    on_phase: Callable[[PhaseName, int, int], None] = lambda phase, done, total: None,
) -> ExportReport:
    """Export `run` for another program, compared with PyTorch before it is kept.

    `target` is a name in `studio.export.targets.TARGETS`; `precision` is the target's first by default; `out` is
    `exports/<target>-<precision>` in the run's folder.
    `on_phase(phase, done, total)` says how far it is. Raises ConfigError, DataError, ModelError, DiskError, BusyError,
    as `studio.export.exporting.export_run` does.
    """
    from studio.export.exporting import export_run

    return export_run(Workspace(run.path.parent.parent), run.name, target, precision, out, on_phase)


def workspace_of(dataset: Dataset) -> Workspace:
    """The workspace whose `recordings/` holds `dataset`. Raises ConfigError where it lies elsewhere."""
    recordings = dataset.folder.resolve().parent
    if recordings.name != "recordings":
        raise ConfigError(
            f"{dataset.folder} is not in the recordings folder of a workspace.", "Name the workspace for the run."
        )
    return Workspace(recordings.parent)


def _name_of(dataset: Dataset, workspace: Workspace) -> str:
    folder = dataset.folder.resolve()
    return folder.name if folder.parent == workspace.recordings.resolve() else str(folder)
