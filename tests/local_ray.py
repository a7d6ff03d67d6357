"""A real Ray cluster on this computer: a head that runs nothing, and machines of one CPU each, as processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

START = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--object-store-memory=80000000"]
NOTICE = {"health_check_period_ms": 1000, "health_check_timeout_ms": 2000, "health_check_failure_threshold": 3}


@dataclass
class LocalRay:
    """A cluster that is up; `machines` are its processes by name."""

    folder: Path
    gcs: int
    dashboard: int
    client: int
    machines: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.words: dict[str, tuple[str, ...]] = {}  # with which each machine was started

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.dashboard}"

    def ask(self, path: str) -> Any:
        """What the dashboard answers to a GET of `path`."""
        with urllib.request.urlopen(f"{self.address}{path}", timeout=60) as answer:
            return json.load(answer)

    def alive(self) -> dict[str, str]:
        """The names of the machines that are up, by id."""
        nodes = self.ask("/api/v0/nodes?filter_keys=state&filter_predicates=%3D&filter_values=ALIVE")
        return {node["node_id"]: node["node_name"] for node in nodes["data"]["result"]["result"]}

    def machine_of(self, job: str) -> str:
        """The machine that `job` runs on."""
        return self.alive()[self.ask(f"/api/jobs/{job}")["driver_node_id"]]

    def add(self, name: str) -> None:
        """One machine more, once it is up."""
        self.start(name, f"--address=127.0.0.1:{self.gcs}", "--num-cpus=1")
        await_machine(self, name)

    def kill(self, machine: str) -> None:
        """As if its plug were pulled: every process of `machine` at once."""
        end(self.machines.pop(machine))

    def start(self, name: str, *words: str) -> None:
        self.words[name] = words
        with (self.folder / f"{name}.out").open("wb") as log:
            self.machines[name] = subprocess.Popen(
                [*START, f"--node-name={name}", f"--dashboard-agent-listen-port={free_port()}", *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), start_new_session=True,
            )  # fmt: skip


@contextmanager
def local_ray() -> Iterator[LocalRay]:
    """A cluster of a head and the machine “one”, and nothing left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: it holds sockets
    ray = LocalRay(folder, free_port(), free_port(), free_port())
    try:
        ray.start(
            "head", "--head", "--num-cpus=0", f"--port={ray.gcs}", f"--dashboard-port={ray.dashboard}",
            "--dashboard-host=127.0.0.1", f"--ray-client-server-port={ray.client}", f"--temp-dir={folder}",
            "--disable-usage-stats", f"--system-config={json.dumps(NOTICE)}",
        )  # fmt: skip
        await_machine(ray, "head")
        ray.add("one")
        yield ray
    finally:
        for process in ray.machines.values():
            end(process)
        shutil.rmtree(folder, ignore_errors=True)


def await_machine(ray: LocalRay, name: str, seconds: float = 300) -> None:
    """Until `name` is up. Ray gives up on a machine that starts slowly, as on a busy one: it is started again."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError, urllib.error.URLError, KeyError, TypeError):
            if name in ray.alive().values():
                return
        assert time.monotonic() < deadline, f"Ray did not come up: {said(ray)}"
        if ray.machines[name].poll() is not None:
            ray.start(name, *ray.words[name])
        time.sleep(0.2)


def said(ray: LocalRay) -> str:
    return "\n".join(path.read_text(errors="replace")[-2000:] for path in ray.folder.glob("*.out"))


def environment() -> dict[str, str]:
    """A machine of a cluster knows its Python, and nothing of this project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STUDIO", "RAY"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    ours = {"RAY_memory_monitor_refresh_ms": "0", "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "300"}  # busy machines
    return {**kept, **ours, "PATH": path, "RAY_DISABLE_IMPORT_WARNING": "1"}


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill `process` and all that it started."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        for child in family:
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
    process.kill()
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
