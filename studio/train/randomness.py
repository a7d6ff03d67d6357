"""Everything random, seeded, saved and put back: what makes a run repeatable and a resume exact."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_CUBLAS_WORKSPACE = ":4096:8"  # what cuBLAS needs to be deterministic, says torch.use_deterministic_algorithms


@dataclass(frozen=True, slots=True)
class RandomState:
    """The state of every generator in use: `words` as JSON holds it, `tensors` by name, uint8."""

    words: dict[str, Any]
    tensors: dict[str, torch.Tensor]


def capture() -> RandomState:
    """The generators of python, numpy and torch (CPU, CUDA, MPS) as they are now."""
    import numpy as np
    import torch

    version, internal, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda:{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        tensors["mps"] = torch.mps.get_rng_state()
    words = {
        "python": [version, list(internal), gauss],
        "numpy": [kind, [int(key) for key in keys], position, has_gauss, cached],
    }
    return RandomState(words, tensors)


def restore(state: RandomState) -> None:
    """Put every generator of `state` back; one whose device is absent here is passed over."""
    import numpy as np
    import torch

    version, internal, gauss = state.words["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = state.words["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    for name, tensor in state.tensors.items():
        if name == "cpu":
            torch.set_rng_state(tensor)
        elif name == "mps" and torch.backends.mps.is_available():
            torch.mps.set_rng_state(tensor)
        elif name.startswith("cuda:") and int(name[5:]) < torch.cuda.device_count():
            torch.cuda.set_rng_state(tensor, name)


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch on every device."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_share(seed: int, step: int, rank: int) -> None:
    """Seed everything for what process `rank` does in `step`: no two of them drop out the same."""
    import numpy as np

    seed_everything(int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0]))


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Within: everything seeded, `threads` CPU threads, deterministic kernels where there are any.

    The number of threads decides in which order floats are added, so it belongs to the result like the seed.
    A kernel without a deterministic form (some on CUDA) warns and runs. Memory is not filled before it is written, as
    PyTorch would do to show who reads it too early.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACE)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warned_only, memory = torch.is_deterministic_algorithms_warn_only_enabled(), _memory_settings()
    filled = memory.fill_uninitialized_memory
    seed_everything(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=warned_only)
        memory.fill_uninitialized_memory = filled


def _memory_settings() -> Any:
    """A module whose settings are properties, of which type checkers know nothing."""
    import torch.utils.deterministic

    return torch.utils.deterministic
