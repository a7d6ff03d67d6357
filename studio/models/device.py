"""Which device computes, and in which precision."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from studio.config import MIXED
from studio.errors import DeviceError

if TYPE_CHECKING:
    import torch


def pick_device(requested: str = "auto") -> str:
    """The device that `requested` means here: "cuda:0", "mps" or "cpu"; "auto" takes the first of these that exists.

    Raises DeviceError where it is absent, naming what exists.
    """
    present = devices()
    if requested == "auto":
        return present[0]
    device = "cuda:0" if requested == "cuda" else requested
    if device not in present:
        raise DeviceError(
            f"Device “{requested}” is not available here.",
            f"This machine has {', '.join(present)}; “auto” takes the first.",
        )
    return device


def is_cpu_build() -> bool:
    """Whether this PyTorch knows only the CPU: its version says so, and need not be imported (which takes seconds)."""
    return version("torch").endswith("+cpu")


def devices() -> list[str]:
    """Every device that PyTorch can use here, the fastest first; "cpu" is always the last."""
    import torch

    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*cuda, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def pick_dtype(precision: str, device: str) -> torch.dtype:
    """The type of the base model's weights. Raises DeviceError where `device` cannot compute in it."""
    import torch

    if precision == "fp16" and device == "cpu":
        raise DeviceError("A CPU has no fast arithmetic in fp16.", "Use fp32, or bf16 to halve the memory.")
    if precision == MIXED and device != "cpu":
        raise DeviceError(f"Mixed precision is for CPUs, not for {device}.", "Use auto, fp32 or bf16.")
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
