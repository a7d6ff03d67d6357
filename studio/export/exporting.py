"""A run exported to a target: merged, written, compared with PyTorch, and put into its place only then."""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

from studio.data.manifest import Dataset, Example
from studio.errors import BusyError, ConfigError, DataError, DiskError, ModelError
from studio.evaluation.evaluate import open_dataset, read_manifest
from studio.evaluation.hypotheses import read_clip, usable
from studio.export import gate
from studio.export.gate import REPORT, ExportReport
from studio.export.merged import PROBES, merge
from studio.export.reference import Reference
from studio.export.targets import Target, target_named
from studio.models import Clip, Family, locate
from studio.models.adapters import base_note, find_adapter
from studio.models.claims import header
from studio.models.folders import written_whole
from studio.models.registry import family_of
from studio.progress import OnProgress
from studio.runs.events import PhaseName
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.workspace import Workspace, disk_errors

OnPhase = Callable[[PhaseName, int, int], None]
"""Gets (phase, done, total): waiting, loading, exporting, checking.

What it raises ends the export, of which nothing is kept.
"""

_STEPS = ("loading", "merging", "checking")  # of a merge
_LOOK = 1.0  # seconds between two looks at whether another export has ended
_MERGED = ".merged"  # the merged model in the folder that is being written


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The clips that an export is compared on, and how their texts are."""

    dataset: Dataset
    clips: Sequence[Example]
    normaliser: str

    def probes(self, family: Family) -> list[Clip]:
        """A few of the clips, for the merge's own comparison."""
        return [read_clip(self.dataset, clip, family.sample_rate) for clip in self.clips[:PROBES]]


def export_run(
    workspace: Workspace,
    run: str,
    target: str,
    precision: str | None = None,
    out: Path | None = None,
    on_phase: OnPhase = lambda phase, done, total: None,
    *,
    wait: bool = False,
) -> ExportReport:
    """Export the run, or the adapter folder of one, called `run`; checked on the run's held-out clips.

    `out` is `exports/<target>-<precision>` in the run's folder by default; an earlier export there is replaced.
    Where another export writes into the same parent this one is refused, or with `wait` waits until that has ended.
    Raises ConfigError where the target does not take the model, has no such precision, or lacks its packages, or `out`
    holds something else; DiskError where the disk is too small; DataError where there are no held-out clips; BusyError;
    ModelError where the export is not near enough to PyTorch. In each case nothing is left behind.
    """
    chosen, adapter = target_named(target), find_adapter(run, workspace)
    base = base_note(adapter).get("source")
    if not base:
        raise ModelError(f"{adapter} does not say which model it was made on.", "Only adapters of a run are exported.")
    family, folder = family_of(locate(base)), RunFolder(adapter.parent)
    kept_as = chosen.checked(family.name, precision)
    exporter = chosen.exporter()
    out = out or folder.exports / f"{chosen.name}-{kept_as}"
    check_out(out)
    check_room(out, chosen, kept_as, locate(base))
    clips = held_out(workspace, folder, family)
    waiting = partial(on_phase, "waiting", 0, 0) if wait else None
    with _alone(out, waiting), written_whole(out) as temporary:
        merged = temporary / _MERGED
        merge(adapter, merged, clips.probes, lambda stage: on_phase("loading", _STEPS.index(stage), len(_STEPS)))
        on_phase("loading", len(_STEPS), len(_STEPS))
        with disk_errors(out):
            exporter.write(merged, temporary, kept_as, partial(on_phase, "exporting"))
        report = _checked(chosen, kept_as, temporary, clips, partial(on_phase, "checking"), adapter, base)
        shutil.rmtree(merged)
        report = report.model_copy(update={"folder": out})
        report.write(temporary)
        (temporary / "README.md").write_text(_card(report, exporter.usage(out, temporary)), encoding="utf-8")
    return report


def held_out(workspace: Workspace, folder: RunFolder, family: Family) -> HeldOut:
    """The run's test clips that can still be read. Raises DataError where there are none, JobError."""
    record = RunRecord.read(folder)
    dataset = open_dataset(workspace, record.dataset)
    found, _ = usable(dataset, [clip for clip in read_manifest(folder.manifest) if clip.split == "test"], family)
    if not found:
        them = "pairs" if dataset.kind == "typing" else "clips"
        raise DataError(
            f"“{folder.name}” has no held-out {them} that can be read, so an export could not be checked.",
            f"Put the {them} of “{record.dataset}” back, or train on a dataset with test {them}.",
        )
    return HeldOut(dataset, found, record.normaliser)


def check_out(out: Path) -> None:
    """Raise ConfigError where something else than an earlier export is at `out`."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / REPORT).is_file()):
        raise ConfigError(f"{out} holds something that is not an export.", "Choose another folder with --out.")


def check_room(out: Path, target: Target, precision: str, base: Path) -> None:
    """Raise DiskError where the disk of `out` has no room for the merged model and the export of it."""
    weights = sum(math.prod(shape) for path in base.glob("model*.safetensors") for shape in header(path).values())
    needed = int(weights * (4 + target.precisions[precision].size))
    place = next(folder for folder in out.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise DiskError(
            f"The export needs about {needed / 1e6:,.0f} MB in {place}, which has {free / 1e6:,.0f} MB free.",
            "Free some space, or choose a folder on another disk with --out.",
        )


def _checked(
    target: Target, precision: str, folder: Path, held: HeldOut, on_progress: OnProgress, adapter: Path, base: str
) -> ExportReport:
    """The gate's report on what was written into `folder`. Raises ModelError where it is refused."""
    merged, exporter = folder / _MERGED, target.exporter()
    model_size = size_of(merged)
    reference = Reference.of(merged)
    compared = gate.compare(
        reference,
        exporter.open(folder, reference),
        target.precisions[precision],
        held.dataset,
        held.clips,
        held.normaliser,
        on_progress,
    )
    return ExportReport(
        folder=folder,
        target=target.name,
        precision=precision,
        adapter=adapter,
        base=base,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={name: metadata.version(name) for name in ("torch", "transformers")} | target.versions,
        stages=compared.stages,
        clips=len(held.clips),
        others=compared.others,
        wer=compared.wer,
        typing=compared.typing,
        normaliser=held.normaliser,
        size=size_of(folder) - model_size,
        model_size=model_size,
        speed=compared.speed,
    )


def _card(report: ExportReport, usage: str) -> str:
    """README.md: what the export was made of, how near it is to PyTorch by the gate's figures, and how it is used."""
    return (
        f"# A fine-tuned model for {target_named(report.target).title}\n\n"
        f"{report.base} with the adapter of {report.adapter.parent.name} in its weights, {report.precision}.\n\n"
        f"## Compared with PyTorch\n\n{report.as_markdown()}\n{usage}"
    )


def size_of(folder: Path) -> int:
    """Bytes of the files in `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def _alone(out: Path, waiting: Callable[[], None] | None) -> Iterator[None]:
    """Within the block no other process exports into the same parent; what a killed one left next to `out` is removed.

    The lock is the parent folder's and ends with the process, however it ends. As long as another has it, `waiting` is
    called each second, and what it raises ends the wait. Raises BusyError where that is None, DiskError.
    """
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(out.parent, os.O_RDONLY)
    try:
        while not _locked(handle):
            if waiting is None:
                raise BusyError(f"Another export is writing into {out.parent}.", "Wait until it has finished.")
            waiting()
            time.sleep(_LOOK)
        for left in out.parent.glob(f".{out.name}.*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
