"""Memory: how much a run took, and what to do when there was not enough."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from studio.errors import DeviceError

_SAYINGS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
)  # of CUDA and MPS, of the CPU's allocator


def peak_memory(device: str) -> int:
    """Bytes: the most allocated on a CUDA device; elsewhere the most resident, as MPS shares its memory."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # macOS counts bytes, Linux kibibytes


def is_out_of_memory(error: Exception) -> bool:
    """Whether `error` is one of the ways in which memory runs out."""
    return isinstance(error, MemoryError) or any(saying in str(error).lower() for saying in _SAYINGS)


@contextmanager
def out_of_memory_explained() -> Iterator[None]:
    """Turn the ways in which memory runs out into one DeviceError that says what to try."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(
            "There was not enough memory.",
            "Halve the batch size and double the accumulation (the result stays the same), or turn on "
            "gradient checkpointing; then start again.",
        ) from error
