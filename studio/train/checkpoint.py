"""Checkpoints: all that is needed to go on as if nothing had happened.

    checkpoints/step-000040/
        adapter.safetensors     the adapter's parameters, by the model's names
        optimizer.safetensors   AdamW's moments and step counts, by the same names
        random.safetensors      torch's generators
        state.json              progress (step, best, seconds) and the generators of python and numpy

The data order and the learning rate are functions of the step, so they need no state. A checkpoint appears
whole or not at all; the last two and the best are kept. Nothing here is ever unpickled.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import DiskError, ModelError
from studio.models.folders import written_whole
from studio.train.loop import Learner
from studio.train.progress import Progress
from studio.train.randomness import RandomState
from studio.workspace import disk_errors

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

RESERVE = 50 * 2**20  # bytes left free for the log, the report and everybody else
KEPT = 2  # the newest, and the one before it should the newest turn out to be unreadable
_ADAPTER, _OPTIMISER, _RANDOM, _STATE = (
    "adapter.safetensors",
    "optimizer.safetensors",
    "random.safetensors",
    "state.json",
)


@dataclass(frozen=True, slots=True)
class State:
    """A checkpoint in memory, without the random state, which every process has for itself."""

    adapter: Tensors
    optimiser: Tensors
    progress: Progress


def path_of(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint of `step` lies."""
    return checkpoints / f"step-{step:06d}"


def save(learner: Learner, checkpoints: Path) -> Path:
    """Write the checkpoint of the current step, then drop those no longer needed.

    Raises DiskError, also where the disk is so full that it would soon be too small for the log and the report;
    earlier checkpoints then stay whole.
    """
    progress, random_state = learner.progress, learner.random_state
    _check_room(learner, checkpoints)
    path = path_of(checkpoints, progress.step)
    with written_whole(path) as folder:
        _write_tensors(folder / _ADAPTER, {name: value.detach() for name, value in learner.parameters.items()})
        _write_tensors(folder / _OPTIMISER, _optimiser_tensors(learner))
        _write_tensors(folder / _RANDOM, random_state.tensors)
        state = {"progress": progress.model_dump(), "random": random_state.words}
        _write(folder / _STATE, json.dumps(state).encode())
    _prune(checkpoints, keep=progress.best.step if progress.best else None)
    return path


def load(learner: Learner, checkpoints: Path) -> bool:
    """Restore `learner` from the newest readable checkpoint; False where there is none.

    Raises ModelError where the checkpoints are of another adapter.
    """
    for path in reversed(_steps(checkpoints)):
        try:
            state = json.loads((path / _STATE).read_text())
            progress, words = Progress.model_validate(state["progress"]), state["random"]
            tensors = [_read_tensors(path / name) for name in (_ADAPTER, _OPTIMISER, _RANDOM)]
        except _unreadable():
            continue
        _put_adapter(learner, tensors[0], path)
        _put_optimiser(learner, tensors[1])
        learner.progress, learner.random_state = progress, RandomState(words, tensors[2])
        return True
    return False


def state_of(learner: Learner) -> State:
    """The state of `learner`, for another process that continues with it."""
    adapter = {name: value.detach().cpu() for name, value in learner.parameters.items()}
    return State(adapter, {name: value.cpu() for name, value in _optimiser_tensors(learner).items()}, learner.progress)


def put(learner: Learner, state: State) -> None:
    """Give `learner` the state of another. Raises ModelError where its adapter has another shape."""
    _put_adapter(learner, state.adapter, "of the first process")
    _put_optimiser(learner, state.optimiser)
    learner.progress = state.progress


def load_adapter(learner: Learner, checkpoints: Path, step: int) -> None:
    """Give the model the adapter that it had after `step`. Raises ModelError where that is not there."""
    path = path_of(checkpoints, step)
    try:
        tensors = _read_tensors(path / _ADAPTER)
    except _unreadable() as error:
        raise ModelError(f"The checkpoint {path} cannot be read.", "Resume the run to make it again.") from error
    _put_adapter(learner, tensors, path)


def _check_room(learner: Learner, checkpoints: Path) -> None:
    """Raise DiskError where the adapter, AdamW's two moments and RESERVE do not fit."""
    with disk_errors(checkpoints, "look at"):
        checkpoints.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(checkpoints).free
    needed = 3 * sum(value.nbytes for value in learner.parameters.values()) + RESERVE
    if free < needed:
        last = _steps(checkpoints)
        kept = f" {last[-1].name} is whole." if last else ""
        raise DiskError(
            f"The disk is nearly full: {free / 1e6:.0f} MB are free where {needed / 1e6:.0f} MB are needed.{kept}",
            "Free some space, then resume the run.",
        )


def _unreadable() -> tuple[type[Exception], ...]:
    from safetensors import SafetensorError

    return OSError, ValueError, KeyError, SafetensorError


def _steps(checkpoints: Path) -> list[Path]:
    """Whole checkpoints, the oldest first."""
    if not checkpoints.is_dir():
        return []
    found = [path for path in checkpoints.iterdir() if re.fullmatch(r"step-\d{6,}", path.name)]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def _prune(checkpoints: Path, keep: int | None) -> None:
    """Drop all but the last and the best checkpoints, and what a crash left half written."""
    wanted = set(_steps(checkpoints)[-KEPT:])
    if keep is not None:
        wanted.add(path_of(checkpoints, keep))
    with disk_errors(checkpoints):
        for path in checkpoints.iterdir():
            if path not in wanted:
                shutil.rmtree(path)


def _optimiser_tensors(learner: Learner) -> Tensors:
    """AdamW's state: `<parameter>|exp_avg`, `<parameter>|exp_avg_sq`, `<parameter>|step`."""
    state = learner.optimiser.state
    return {
        f"{name}|{key}": value
        for name, parameter in learner.parameters.items()
        for key, value in state.get(parameter, {}).items()
    }


def _put_optimiser(learner: Learner, tensors: Tensors) -> None:
    learner.optimiser.state.clear()
    for key, value in tensors.items():
        name, _, part = key.rpartition("|")
        parameter = learner.parameters[name]
        target = value if part == "step" else value.to(parameter.device)
        learner.optimiser.state[parameter][part] = target


def _put_adapter(learner: Learner, tensors: Tensors, path: Path | str) -> None:
    import torch

    shapes = {name: value.shape for name, value in tensors.items()}
    if shapes != {name: parameter.shape for name, parameter in learner.parameters.items()}:
        raise ModelError(f"The checkpoint {path} is of another adapter.", "Start a new run instead.")
    with torch.no_grad():
        for name, parameter in learner.parameters.items():
            parameter.copy_(tensors[name])


def _write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    from safetensors.torch import save as to_bytes

    _write(path, to_bytes({name: value.cpu().contiguous() for name, value in tensors.items()}))


def _write(path: Path, content: bytes) -> None:
    """Write a file that survives a power cut; its folder sees to it that it appears whole."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _read_tensors(path: Path) -> Tensors:
    from safetensors.torch import load as from_bytes

    return from_bytes(path.read_bytes())
