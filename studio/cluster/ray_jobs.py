"""A Ray cluster, spoken to by Ray's own client for jobs (docs.ray.io, “Ray Jobs Python SDK”).

Only this module imports Ray, late. `http://` is all that a cluster must offer; `ray://` asks the cluster for that
address first, for which Ray and Python have to be the same versions on both sides.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cluster.address import require_ray
from studio.cluster.follower import ClusterJobState
from studio.config import TrainConfig
from studio.errors import JobError, UnreachableError
from studio.faults import plain_reason

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

_CONNECTING = 180  # seconds; where a cluster cannot start a server for its client, Ray's client waits for ever
_MOMENT = 0.25  # seconds without a word before `tail` says so
_SAVING = 300  # seconds that a job gets to score and save what it learnt
_ENTRYPOINT = "exec python -m studio.cluster.worker"
_ENVIRONMENT = {
    "RAY_JOB_STOP_SIGNAL": "SIGINT",  # the worker's word for: stop and save
    "RAY_JOB_STOP_WAIT_TIME_S": str(_SAVING),
    "HF_HUB_OFFLINE": "1",  # lifted only to fetch the run's own model
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONUNBUFFERED": "1",
}
_OTHER_ADDRESSES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")


class RayCluster:
    """The Ray cluster at `address`. Raises DeviceError where Ray is not installed here, UnreachableError."""

    def __init__(self, address: str) -> None:
        require_ray()
        from ray.job_submission import JobSubmissionClient

        self.address = address
        for name in _OTHER_ADDRESSES:
            os.environ.pop(name, None)  # they would go before the address that the person named
        with _sentences(address):
            self._client: JobSubmissionClient = _in_time(lambda: JobSubmissionClient(address))

    def submit(self, archive: Path, run: str, config: TrainConfig) -> str:
        """Start a job on one machine of the cluster; its name. Raises UnreachableError, JobError."""
        with _sentences(self.address):
            cpus, gpus = self._needs(config)
            job: str = self._client.submit_job(
                entrypoint=_ENTRYPOINT,
                runtime_env={"working_dir": str(archive), "env_vars": _ENVIRONMENT},
                metadata={"studio_run": run},
                entrypoint_num_cpus=cpus,
                entrypoint_num_gpus=gpus or None,
            )
        return job

    def tail(self, job: str) -> Iterator[str]:
        """The log of `job` from its start, an empty piece whenever nothing came. Raises UnreachableError."""
        pieces: queue.Queue[str | Exception | None] = queue.Queue(maxsize=256)
        threading.Thread(target=lambda: asyncio.run(self._pump(job, pieces)), daemon=True).start()
        while True:
            try:
                piece = pieces.get(timeout=_MOMENT)
            except queue.Empty:
                piece = ""
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise UnreachableError(f"The log of {job} broke off: {piece}") from piece
            yield piece

    async def _pump(self, job: str, pieces: queue.Queue[str | Exception | None]) -> None:
        try:
            async for lines in self._client.tail_job_logs(job):
                pieces.put(lines)
            pieces.put(None)
        except Exception as error:  # whatever it is, the log is asked for anew from its start
            pieces.put(error)

    def standing(self, job: str) -> ClusterJobState:
        """The state of `job`. Raises UnreachableError, or JobError where the cluster does not know it."""
        with _sentences(self.address):
            info = self._client.get_job_info(job)
        code, kind = info.driver_exit_code, str(info.error_type or "")
        state = {"PENDING": "waiting", "RUNNING": "running"}.get(info.status.value, "ended")
        is_lost = "ACTOR_DIED" in kind or (code is not None and (code < 0 or code > 128))
        return ClusterJobState.model_validate({"state": state, "is_lost": is_lost, "message": info.message or ""})

    def stop(self, job: str) -> None:
        """Ask `job` to stop and save. Raises UnreachableError."""
        with _sentences(self.address):
            self._client.stop_job(job)

    def _needs(self, config: TrainConfig) -> tuple[float, float]:
        """CPUs and GPUs: one GPU where the cluster has any and the run may use it, else a whole machine's CPUs."""
        machines = [machine.resources_total or {} for machine in self._machines() if machine.state == "ALIVE"]
        wants = config.device == "auto" and any(machine.get("GPU") for machine in machines)
        if wants or config.device.startswith("cuda"):
            return config.threads or 1, 1
        return config.threads or max((machine.get("CPU", 0) for machine in machines), default=0) or 1, 0

    def _machines(self) -> list[Any]:
        """The cluster's machines; none where it does not say, as an older one may not."""
        from ray.util.state import list_nodes

        with suppress(Exception):
            return list(list_nodes(address=self._client.get_address()))
        return []


def _in_time(connect: Callable[[], JobSubmissionClient]) -> JobSubmissionClient:
    """What `connect` gives. Raises as it does, or TimeoutError: then its thread is left behind, waiting."""
    answer: Future[JobSubmissionClient] = Future()

    def ask() -> None:
        try:
            answer.set_result(connect())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(_CONNECTING)
    except TimeoutError:
        raise TimeoutError(f"no answer within {_CONNECTING} s") from None


@contextmanager
def _sentences(address: str) -> Iterator[None]:
    """Turn what Ray's client raises into UnreachableError, or JobError where the cluster answered and refused."""
    try:
        yield
    except JobError:
        raise
    except RuntimeError as error:
        said = str(error).strip().splitlines() or [repr(error)]
        kind = UnreachableError if "status code 5" in said[0] else JobError
        raise kind(f"The cluster at {address} refused: {said[-1]}"[:400]) from error
    except Exception as error:  # ConnectionError of three libraries, timeouts, gRPC's own
        raise UnreachableError(
            f"No Ray cluster answers at {address}: {plain_reason(error)}.",
            "Check that it is up and that this address is its dashboard's (port 8265), perhaps through a tunnel.",
        ) from error
