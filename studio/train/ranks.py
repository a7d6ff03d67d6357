"""The processes of one run: one alone, or several that share the clips of every step.

`accelerate launch -m studio train …` starts the same command several times, on one machine or on several. The first
process (rank 0) leads: it alone has the run's folder, decides, scores, saves and writes. The others only add the
gradients of their share (`studio.train.follower`). All of them make the same step out of the same sum, so their
adapters stay equal.

From the leader to the others goes first what the run is about, then an order before each step, and None at the end.
accelerate brings them together and gives each its device; precision and batch are those of the config, as with one
process. They talk through gloo, between GPUs too: only the adapter's gradients travel, and unlike NCCL it notices at
once that one has died.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from studio.errors import ConfigError, JobError

if TYPE_CHECKING:
    import torch

# How launchers say how many processes there are: torchrun, which `accelerate launch` uses, and MPI's.
_SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
_PATIENCE = timedelta(days=1)  # the others wait while the leader scores; who dies is noticed at once all the same


class SingleProcess:
    """The only process of a run: nothing to share."""

    rank, size = 0, 1
    device: str | None = None  # the run's own choice

    def send(self, message: Any) -> None:
        """Tell every other process. Raises JobError where one is gone."""

    def order(self, message: Any) -> None:
        """Tell every other process to take a step now. Raises JobError where one is gone."""

    def sums(self, *values: float) -> Sequence[float]:
        """Each value, added up over the processes. Raises JobError where one is gone."""
        return values

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give every process the sum of all gradients, which ends the step. Raises JobError where one is gone."""

    def dismiss(self) -> None:
        """Let the other processes end: from here on the leader goes on alone. Raises JobError where one is gone."""


class DistributedProcess(SingleProcess):
    """One of several processes that a launcher started."""

    def __init__(self, device: str) -> None:
        """Wait for the others. Each takes a GPU of its own where `device` is one; else they compute on the CPU."""
        from accelerate import PartialState

        self._state = PartialState(cpu=not device.startswith("cuda"), backend="gloo", timeout=_PATIENCE)
        self.rank, self.size = self._state.process_index, self._state.num_processes
        self.device = f"{self._state.device}" if self._state.device.type == "cuda" else "cpu"
        self._is_over = self._is_amid_step = False

    def send(self, message: Any) -> None:
        from accelerate.utils import broadcast_object_list

        with self._all_there():
            broadcast_object_list([message])

    def order(self, message: Any) -> None:
        self.send(message)
        self._is_amid_step = True

    def receive(self) -> Any:
        """What the leader sends; None is its farewell. Raises JobError where it is gone."""
        from accelerate.utils import broadcast_object_list

        with self._all_there():
            (message,) = broadcast_object_list([None])
        if message is None:
            self._part()
        return message

    def sums(self, *values: float) -> Sequence[float]:
        import torch
        from accelerate.utils import reduce

        with self._all_there():
            added: list[float] = reduce(torch.tensor(values, dtype=torch.float64, device=self.device), "sum").tolist()
        return added

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """One message for all of them. Who had no clip adds nothing."""
        import torch
        from accelerate.utils import reduce

        mine = list(parameters)
        parts = [torch.zeros_like(value) if value.grad is None else value.grad for value in mine]
        with self._all_there():
            added = reduce(torch.cat([part.flatten() for part in parts]), "sum")
        for parameter, part in zip(mine, added.split([value.numel() for value in mine]), strict=True):
            parameter.grad = part.view_as(parameter)
        self._is_amid_step = False

    def dismiss(self) -> None:
        if not (self._is_over or self._is_amid_step):  # amid a step they wait for sums: our end is their signal
            self.send(None)
            self._part()

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Within, the others wait for what the leader sends; at the end, however it comes, they are let go."""
        try:
            yield
        finally:
            self.dismiss()

    def _part(self) -> None:
        self.sums(0.0)  # none closes before all have received it
        self._is_over = True
        self._state.destroy_process_group()

    @contextmanager
    def _all_there(self) -> Iterator[None]:
        """Turn a broken connection into a JobError, the last of this run."""
        try:
            yield
        except RuntimeError as error:
            self._is_over = True
            who = "The first process of the run" if self.rank else "Another process of the run"
            raise JobError(
                f"{who} has ended: it was killed, ran out of memory, or lost its machine.",
                "Resume from the last checkpoint, with any number of processes.",
            ) from error


def are_launched() -> bool:
    """Whether this process is one of several. Raises ConfigError where several were meant and one was started."""
    if any(os.environ.get(name, "1") not in ("", "0", "1") for name in _SIZES):
        return True
    if "ACCELERATE_USE_CPU" in os.environ and "MASTER_ADDR" in os.environ and "WORLD_SIZE" not in os.environ:
        raise ConfigError(
            "`accelerate launch --cpu` starts a single process.",
            "For several on CPUs: accelerate launch --multi_gpu --num_processes N -m studio train … --device cpu",
        )
    return False
