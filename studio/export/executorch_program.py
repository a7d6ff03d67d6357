"""A program of ExecuTorch: PyTorch modules converted to one file, and that file in the runtime."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.faults import plain_reason

if TYPE_CHECKING:
    from torch import nn

FILE = "model.pte"


def in_eight_bits(methods: Sequence[nn.Module]) -> None:
    """Keep matrices in 8 bits, and compute in 8 bits where they are multiplied.

    Each row of a matrix has a scale of its own, and so has each token. Convolutions stay as they are.
    """
    from torch import nn
    from torchao.quantization import Int8DynamicActivationIntxWeightConfig, PerAxis, quantize_

    parts = (module for method in methods for module in method.modules())
    matrices = dict.fromkeys(module for module in parts if isinstance(module, nn.Linear))  # some are in several
    quantize_(nn.ModuleList(matrices), Int8DynamicActivationIntxWeightConfig(weight_granularity=PerAxis(0)))


def lowered(programs: Mapping[str, Any]) -> Any:
    """The file's program of what torch.export made, by the names of the methods; XNNPACK takes what it knows."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    return to_edge_transform_and_lower(dict(programs), partitioner=[XnnpackPartitioner()]).to_executorch()


def opened(path: Path, threads: int) -> Any:
    """The program in the file `path`, for as many threads."""
    with quiet():
        from executorch.extension.pybindings import portable_lib
        from executorch.runtime import Runtime as Programs

        portable_lib._unsafe_reset_threadpool(threads)  # one for the whole process: nothing runs now
        return Programs.get().load_program(path)


def executed(method: Any, *given: Any) -> Sequence[Any]:
    """What `method` returns. Raises ModelError where the runtime refuses what was converted."""
    try:
        found: Sequence[Any] = method.execute(given)
    except RuntimeError as error:
        raise ModelError(
            f"ExecuTorch cannot run this model: {plain_reason(error)}.", "Export it to another target."
        ) from error
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block nothing is printed: what will change in torchao, what ExecuTorch reads about processors."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
