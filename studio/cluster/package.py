"""What is sent to a cluster, as one zip: nothing but this package's source, the clips of the run, and how far it came.

studio/                     the source; of the bundled model only what the run needs, and nothing of the page
recordings/<dataset>/       the clips that the run uses, and its replayed dataset's, if it is a dataset
run/                        of a run that was begun: settings, clips, scores and checkpoints
job.json                    the run's name and its settings
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from studio.config import BUNDLED, NOTHING, STARTER, TrainConfig
from studio.data.manifest import Dataset, Example, Utterance
from studio.data.utterance import SIDES
from studio.errors import ConfigError, DataError
from studio.evaluation.evaluate import open_dataset
from studio.models.writable import Splits
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.train import clips, general
from studio.workspace import Workspace, checked_name, disk_errors

SOURCE = Path(__file__).resolve().parents[1]
LARGEST = 500_000_000  # bytes; Ray's own limit for what is sent through its address is 512 MiB
_UNUSED = ("ui", "starter/unheard")
_OF_STARTER = ("starter/model", "starter/general")
_OF_OTHERS = ("evaluation/people",)


class SentJob(BaseModel):
    """The contents of `job.json`."""

    model_config = ConfigDict(frozen=True)

    run: str
    config: TrainConfig


@dataclass(frozen=True, slots=True)
class _Set:
    """Clips of one dataset, as they are called here and there."""

    dataset: Dataset
    utterances: Sequence[Example]
    name: str


def pack(config: TrainConfig, folder: RunFolder, workspace: Workspace, into: Path) -> list[str]:
    """Write into `into` what the run in `folder` needs elsewhere; what was moved so that every split has its clips.

    Raises ConfigError, DataError (no clips, or more than LARGEST bytes), JobError, DiskError.
    """
    sets, moved = _sets(config, folder, workspace)
    there = config.model_copy(update=dict(zip(("dataset", "replay"), (each.name for each in sets), strict=False)))
    with disk_errors(into), zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("job.json", SentJob(run=folder.name, config=there).model_dump_json())
        for path in source_files(config):
            archive.write(path, f"studio/{path.relative_to(SOURCE).as_posix()}")
        for each in sets:
            _write_set(archive, each)
        _write_run(archive, folder, there)
    if (size := into.stat().st_size) > LARGEST:
        raise DataError(
            f"The clips of this run come to {size / 1e6:.0f} MB, over the limit of {LARGEST / 1e6:.0f} MB that a "
            "cluster takes by its address.",
            "Set clips aside in Review, or train on this machine.",
        )
    return moved


def source_files(config: TrainConfig) -> Iterator[Path]:
    """The files of this package that a run of `config` needs."""
    unused = (*_UNUSED, *(_OF_OTHERS if config.model == STARTER else _OF_STARTER))
    for place, folders, files in os.walk(SOURCE):
        below = Path(place).relative_to(SOURCE)
        folders[:] = sorted(
            name for name in folders if name != "__pycache__" and (below / name).as_posix() not in unused
        )
        yield from (Path(place) / name for name in sorted(files) if not name.startswith("."))


def _sets(config: TrainConfig, folder: RunFolder, workspace: Workspace) -> tuple[list[_Set], list[str]]:
    """The run's own clips, then those it replays from a dataset: as they were when it began, or as they are now."""
    dataset = open_dataset(workspace, config.dataset)
    has_begun = folder.has_begun
    splits, moved = (clips.kept(folder), []) if has_begun else clips.choose(dataset)
    sets = [_Set(dataset, _all(splits), _name(dataset))]
    if config.replay not in (BUNDLED, NOTHING):
        others = general.kept(config, folder, workspace) if has_begun else general.choose(config, splits, workspace)
        if others and others.sound:
            sets.append(_Set(others.sound, others.unlabelled, _name(others.sound, taken=sets[0].name)))
        elif others:
            sets.append(_Set(others.dataset, _all(others.splits), _name(others.dataset, taken=sets[0].name)))
    return sets, moved


def _all(splits: Splits) -> list[Example]:
    return [clip for side in SIDES for clip in splits[side]]


def _name(dataset: Dataset, taken: str = "") -> str:
    """What the dataset is called there: as its folder here, where that can be a name."""
    try:
        name = checked_name(dataset.folder.name)
    except ConfigError:
        name = "dataset"
    return f"{name[:56]}-replay" if name == taken else name


def _write_set(archive: zipfile.ZipFile, each: _Set) -> None:
    lines, root = [], dataset_root(each.dataset)
    for clip in each.utterances:
        path = each.dataset.clip_path(clip) if isinstance(clip, Utterance) else None
        if path and path.is_file():
            inner = path.relative_to(root).as_posix()
            archive.write(path, f"recordings/{each.name}/{inner}")
            clip = clip.model_copy(update={"audio_filepath": inner})
        lines.append(clip.to_line())  # one that is gone is left out there, and said
    if each.dataset.kind_file.is_file():
        archive.write(each.dataset.kind_file, f"recordings/{each.name}/{each.dataset.kind_file.name}")
    archive.writestr(f"recordings/{each.name}/manifest.jsonl", "".join(line + "\n" for line in lines))


def dataset_root(dataset: Dataset) -> Path:
    """The folder of `dataset` after links are followed, as its clips' paths are."""
    return dataset.folder.resolve()


def _write_run(archive: zipfile.ZipFile, folder: RunFolder, there: TrainConfig) -> None:
    """What a resume goes on from; the settings name the datasets as they are called there."""
    if not folder.has_begun:
        return
    record = RunRecord.read(folder).model_copy(update={"dataset": there.dataset, "replay": there.replay})
    archive.writestr("run/config.json", record.model_dump_json(indent=2) + "\n")
    for path in (folder.manifest, folder.general, folder.baseline, folder.general_baseline, folder.short_baseline):
        if path.is_file():
            archive.write(path, f"run/{path.name}")
    if folder.checkpoints.is_dir():
        splits: list[Path] = sorted(folder.checkpoints.glob("step-*/*"))
        for path in splits:
            archive.write(path, f"run/{path.relative_to(folder.path).as_posix()}")
