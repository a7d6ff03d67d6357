"""What this machine can do, line by line: fine, or what to do."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from studio.errors import StudioError
from studio.text import counted
from studio.workspace import Workspace

if TYPE_CHECKING:
    import torch

GIGABYTE = 1e9
ENOUGH_MEMORY = 4 * GIGABYTE  # the smallest real model (27 M) trains in about 1.5 GB, next to a browser
ENOUGH_DISK = 2 * GIGABYTE  # a downloaded small model, a few runs and an hour of clips
PACKAGES = ("speech-studio", "torch", "transformers", "peft", "gradio", "librosa", "soundfile", "sounddevice", "jiwer")


Look = Callable[[], Iterator["Check"]]


class Check(BaseModel):
    """One line of the doctor's list."""

    model_config = ConfigDict(frozen=True)

    subject: str
    state: Literal["fine", "look", "broken"]  # look: works, but worth knowing; broken: a step will fail
    found: str
    remedy: str = ""


def check(workspace: Workspace, *, ask_hub: bool = False) -> list[Check]:
    """Look at everything a session needs. Only `ask_hub` causes network traffic."""
    checks: dict[str, Look] = {
        "versions": _versions,
        "memory": _memory,
        "disk": lambda: _disk(workspace),
        "feature cache": lambda: _features(workspace),
        "devices": _devices,
        "starter model": _starter,
        "microphone": _microphones,
        "synthetic voices": _voices,
        "browser": _page,
    }
    if ask_hub:
        checks["hub"] = _hub
    return [line for subject, look in checks.items() for line in _guarded(subject, look)]


def as_text(found: list[Check]) -> str:
    """The list for a terminal."""
    marks = {"fine": "fine  ", "look": "look  ", "broken": "BROKEN"}
    width = max(len(item.subject) for item in found)
    lines = []
    for item in found:
        lines.append(f"{marks[item.state]}  {item.subject:<{width}}  {item.found}")
        if item.remedy:
            lines.append(f"{'':8}{'':<{width}}  → {item.remedy}")
    return "\n".join(lines)


def _guarded(subject: str, look: Look) -> Iterator[Check]:
    """A check that breaks is itself a finding, never the end of the list."""
    try:
        yield from look()
    except StudioError as error:
        yield Check(subject=subject, state="broken", found=error.what, remedy=error.remedy)
    except Exception as error:  # anything a driver or a library may raise
        yield Check(subject=subject, state="broken", found=f"{type(error).__name__}: {error}")


def _versions() -> Iterator[Check]:
    yield Check(subject="python", state="fine", found=f"{platform.python_version()} on {platform.platform()}")
    for name in PACKAGES:
        try:
            yield Check(subject=name, state="fine", found=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(subject=name, state="broken", found="not installed", remedy="Run `make studio` again.")


def _memory() -> Iterator[Check]:
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / GIGABYTE:.1f} of {memory.total / GIGABYTE:.1f} GB free"
    small = memory.available < ENOUGH_MEMORY
    remedy = "Close other programs, or train with --batch-size 1 --gradient-checkpointing." if small else ""
    yield Check(subject="memory", state="look" if small else "fine", found=found, remedy=remedy)


def _disk(workspace: Workspace) -> Iterator[Check]:
    there = next(folder for folder in (workspace.root, *workspace.root.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    small = free < ENOUGH_DISK
    yield Check(
        subject="disk",
        state="look" if small else "fine",
        found=f"{free / GIGABYTE:.1f} GB free at {workspace.root}",
        remedy="Free some space before a long session." if small else "",
    )


def _features(workspace: Workspace) -> Iterator[Check]:
    from studio.train.feature_cache import MOST_BYTES, size_of

    size = size_of(workspace.features)
    yield Check(
        subject="feature cache",
        state="fine",
        found=f"{size / GIGABYTE:.1f} of at most {MOST_BYTES / GIGABYTE:.0f} GB in {workspace.features}; "
        "it saves time, and may be deleted",
    )


def _devices() -> Iterator[Check]:
    import torch

    from studio.models.kernels.linear import gains

    threads = counted(torch.get_num_threads(), "thread")
    cpu, handed_over = _speed("cpu"), "; frozen layers go through oneDNN, which is faster here" if gains() else ""
    yield Check(
        subject="cpu",
        state="fine",
        found=f"forward and backward work, {cpu:.0f} GFLOP/s on {threads}{handed_over}",
    )
    yield _precision()
    for name, present, absent in (
        ("cuda", torch.cuda.is_available(), "no NVIDIA GPU that this PyTorch can use"),
        ("mps", torch.backends.mps.is_available(), "no Apple GPU"),
    ):
        if present:
            speed = _speed(name)
            yield Check(subject=name, state="fine", found=f"forward and backward work, {speed / cpu:.1f} × the CPU")
        else:
            yield Check(subject=name, state="fine", found=f"{absent}; the CPU is used")


def _precision() -> Check:
    """What runs compute in on the CPU where that is left to the studio, by the measurement that they make too."""
    from studio.models.catalogue import default_model
    from studio.models.precision import is_faster_mixed, products_gain

    gain = products_gain(model := default_model())
    if gain is None:
        found = f"{model} trains in fp32: the gain of faster products would go into casting"
    else:
        chosen = "mixed precision" if is_faster_mixed(model) else "fp32"
        found = f"{model} trains in {chosen}: the products of its layers are {gain:.1f} × as fast in bf16"
    return Check(subject="precision", state="fine", found=found)


def _speed(device: str) -> float:
    """GFLOP/s of a small linear layer, forward and backward: a smoke test with a figure, not a benchmark."""
    import torch

    layer = torch.nn.Linear(512, 512, device=device)
    inputs = torch.randn(1024, 512, device=device, requires_grad=True)

    def once() -> None:
        layer(inputs).square().mean().backward()
        _wait(device)

    once()
    rounds, start = 10, time.perf_counter()
    for _ in range(rounds):
        once()
    seconds = time.perf_counter() - start
    if not _finite(layer.weight.grad):
        raise StudioError(f"{device} gives gradients that are not numbers.", "Train with --device cpu.")
    return rounds * 6 * 1024 * 512 * 512 / seconds / 1e9  # 2·n·d² forward, twice that backward


def _wait(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def _finite(tensor: torch.Tensor | None) -> bool:
    return tensor is not None and bool(tensor.isfinite().all())


def _starter() -> Iterator[Check]:
    from studio.models import locate

    folder = locate("starter")
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    yield Check(subject="starter model", state="fine", found=f"bundled, {size / 1e6:.1f} MB")


def _microphones() -> Iterator[Check]:
    from studio.audio.microphone import devices

    try:
        found = devices()
    except StudioError as error:
        yield Check(
            subject="microphone",
            state="look",
            found=error.what,
            remedy=f"{error.remedy} The page records through the browser.",
        )
        return
    names = ", ".join(device.name for device in found[:4])
    yield Check(
        subject="microphone",
        state="fine" if found else "look",
        found=f"{len(found)} found: {names}" if found else "none found",
        remedy="" if found else "Plug one in. The page can also use the microphone of the computer that opens it.",
    )


def _voices() -> Iterator[Check]:
    missing = [name for name in ("espeak-ng", "flite") if shutil.which(name) is None]
    yield Check(
        subject="synthetic voices",
        state="fine",
        found=f"without {' and '.join(missing)}: the demo uses its bundled clips" if missing else "espeak-ng and flite",
    )


def _page() -> Iterator[Check]:
    yield Check(
        subject="browser",
        state="fine",
        found="browsers allow the microphone only on http://127.0.0.1 and https",
        remedy="From another computer: ssh -L 7860:127.0.0.1:7860 this-machine, then open http://127.0.0.1:7860 there.",
    )


def _hub() -> Iterator[Check]:
    import urllib.request

    from huggingface_hub.constants import ENDPOINT

    try:
        with urllib.request.urlopen(f"{ENDPOINT}/api/models?limit=1", timeout=10):
            yield Check(subject="hub", state="fine", found=f"{ENDPOINT} answers")
    except OSError as error:
        yield Check(
            subject="hub",
            state="look",
            found=f"{ENDPOINT} does not answer ({getattr(error, 'reason', error)})",
            remedy="Check the network or the proxy, or copy a model folder here and pass its path as --model.",
        )
