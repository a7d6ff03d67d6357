"""A run on a cluster, seen from home: submitted, followed, stopped, and sent anew when its machine is lost.

`cluster.json` in the run's folder says which job the run is and how much of its story is home. So this process may
end at any time: the job goes on, and the next start takes it up where it was, or submits it from its last checkpoint.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from studio.cluster import frames, package
from studio.cluster.receiver import Receiver
from studio.config import TrainConfig
from studio.errors import JobError, StudioError, UnreachableError
from studio.runs.events import Event, Failed, Finished, Phase, Started, StepDone, Stopped, Warned
from studio.runs.folder import RunFolder
from studio.train.clips import moved_note
from studio.workspace import Workspace, write_atomically

Say = Callable[[str], object]

RESTARTS = 3  # machines that a run may lose before a person should look
PATIENCE = 120.0  # seconds without an answer before a cluster counts as gone
_PAUSE = 1.0  # seconds between two tries to reach it
_LOOK = 2.0  # seconds between two checks of a silent job
_DRAIN = 10.0  # seconds of silence after which the log of a job that has ended is at its end
_LONG = 15.0  # seconds without a free machine before that is said
_SAID = 12  # lines that the process printed last, for the person who asks why it ended


class ClusterJobState(BaseModel):
    """The state of a job on its cluster."""

    model_config = ConfigDict(frozen=True)

    state: Literal["waiting", "running", "ended"]
    is_lost: bool = False  # it was killed, or its machine is gone: it may well go on elsewhere
    message: str = ""


class Cluster(Protocol):
    """What the follower needs of a cluster. Every call raises UnreachableError where it does not answer."""

    address: str

    def submit(self, archive: Path, run: str, config: TrainConfig) -> str:
        """Start a job; its name."""

    def tail(self, job: str) -> Iterator[str]:
        """The log of `job` from its start, in pieces, an empty one whenever nothing came for a moment."""

    def standing(self, job: str) -> ClusterJobState:
        """The state of `job`. Raises JobError also where the cluster does not know it."""

    def stop(self, job: str) -> None:
        """Ask `job` to stop and save."""


class Note(BaseModel):
    """The contents of `cluster.json`."""

    model_config = ConfigDict(frozen=True)

    address: str
    job: str
    received: int = 0  # frames of this job that are safe at home
    is_over: bool = False  # it said its last word

    @classmethod
    def read(cls, folder: RunFolder) -> Self | None:
        """The note in `folder`, or None where there is none that can be read."""
        try:
            return cls.model_validate_json(folder.cluster.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, folder: RunFolder) -> None:
        """Replace `cluster.json`. Raises DiskError."""
        write_atomically(folder.cluster, self.model_dump_json(indent=1) + "\n")


def run(
    config: TrainConfig, folder: RunFolder, workspace: Workspace, connect: Callable[[], Cluster], say: Say
) -> Iterator[Event]:
    """Train by `config` on the cluster that `connect` gives, yielding what happens there.

    The caller writes it to `folder.events`. Goes on with what was begun in `folder`. `say` gets the lines that the
    process prints there. What goes wrong is yielded as Failed and then raised: StudioError.
    """
    yield Phase(name="loading")
    try:
        if folder.done.exists():
            raise JobError(f"The run “{folder.name}” is finished.", "Start a new run.")
        yield from _Follower(config, folder, workspace, connect(), say).events()
    except StudioError as error:
        yield Failed(message=error.what, remedy=error.remedy)
        raise


class _Follower:
    """One run, over as many jobs as it takes."""

    note: Note  # of the job that is followed now

    def __init__(
        self, config: TrainConfig, folder: RunFolder, workspace: Workspace, cluster: Cluster, say: Say
    ) -> None:
        self.config, self.folder, self.cluster, self.say = config, folder, cluster, say
        self.workspace = workspace
        self.said: deque[str] = deque(maxlen=_SAID)
        self.step = 0  # the last one that is known here
        self.word: Event | None = None  # the last event that begins or ends a run
        self.has_asked = False  # to stop and save
        self.has_waited = False  # so long that it was said

    def events(self) -> Iterator[Event]:
        """The whole run."""
        if not self._takes_up():
            yield from self._submitted()
        for restarts in range(RESTARTS + 1):
            yield from self._followed()
            self.folder.clear_stop_request()
            if self.note.is_over or self.has_asked:
                break
            standing = self.cluster.standing(self.note.job)
            if not standing.is_lost or restarts == RESTARTS:
                raise self._broken(standing)
            yield Warned(message=f"{_sentence(standing.message)} The run goes on elsewhere from its last checkpoint.")
            yield from self._submitted()
        if self.has_asked and not self.note.is_over and not (isinstance(self.word, Stopped) and not self.step):
            yield Stopped(step=self.step, reason="interrupted")

    def _takes_up(self) -> bool:
        """Whether a job of an earlier start is still there to be followed."""
        note = Note.read(self.folder)
        if note is None or note.is_over or note.address != self.cluster.address:
            return False
        try:
            self.cluster.standing(note.job)
        except UnreachableError:
            raise
        except JobError:
            return False  # a new cluster at the old address
        self.note = note
        return True

    def _submitted(self) -> Iterator[Event]:
        """Send the run, with how far it came."""
        with tempfile.TemporaryDirectory(prefix="studio-") as place:
            archive = Path(place) / "run.zip"
            if moved := package.pack(self.config, self.folder, self.workspace, archive):
                yield Warned(message=moved_note(moved))
            job = self.cluster.submit(archive, self.folder.name, self.config)
        self.note = Note(address=self.cluster.address, job=job)
        self.note.write(self.folder)
        self.word = None
        self.say(f"Job {job} on {self.cluster.address}.")

    def _followed(self) -> Iterator[Event]:
        """What the job says until it ends, over as many connections as it takes."""
        answered = time.monotonic()
        while True:
            try:
                for event in self._heard():
                    answered = time.monotonic()
                    yield event
                if self.note.is_over or self.cluster.standing(self.note.job).state == "ended":
                    return
                answered = time.monotonic()
            except UnreachableError:
                if self.folder.stop_request() == "discard":
                    yield from self._stopped()
                    return
                if time.monotonic() - answered > PATIENCE:
                    raise JobError(
                        f"The cluster at {self.cluster.address} has not answered for {PATIENCE:.0f} seconds.",
                        "The run may still be going there: `studio resume` reconnects to it.",
                    ) from None
            time.sleep(_PAUSE)

    def _heard(self) -> Iterator[Event]:
        """What comes over one connection, as far as it is new."""
        receiver, rest = Receiver(self.folder, self.config, self.note.received), ""
        heard = looked = time.monotonic()
        for piece in self.cluster.tail(self.note.job):
            yield from self._stopped()
            if self.note.is_over:
                return
            now = time.monotonic()
            if piece:
                heard = now
                *lines, rest = (rest + piece).split("\n")
                for line in lines:
                    yield from self._line(receiver, line)
                self._remember(receiver)
            elif now - looked > _LOOK:
                looked = now
                standing = self.cluster.standing(self.note.job)
                yield from self._waited(standing, now - heard)
                if standing.state == "ended" and now - heard > _DRAIN:
                    return

    def _line(self, receiver: Receiver, line: str) -> Iterator[Event]:
        frame = frames.parse(line)
        if frame is None:
            self.said.append(line)
            self.say(line)
        elif event := receiver.take(frame):
            if isinstance(event, Started | Stopped | Failed | Finished):
                self.word = event
            if isinstance(event, StepDone):
                self.step = event.step
            yield event

    def _remember(self, receiver: Receiver) -> None:
        is_over = isinstance(self.word, Failed | Finished)
        if (receiver.received, is_over) != (self.note.received, self.note.is_over):
            self.note = self.note.model_copy(update={"received": receiver.received, "is_over": is_over})
            self.note.write(self.folder)

    def _waited(self, standing: ClusterJobState, seconds: float) -> Iterator[Event]:
        if standing.state == "waiting" and seconds > _LONG and not self.has_waited:
            self.has_waited = True
            yield Warned(message=f"The cluster has not started the job yet. {_sentence(standing.message)}")

    def _stopped(self) -> Iterator[Event]:
        """Pass a request to stop on. What is thrown away here need not be waited for there."""
        request = self.folder.stop_request()
        if request == "save" and not self.has_asked:
            self.cluster.stop(self.note.job)
            self.has_asked = True
        if request == "discard":
            with suppress(UnreachableError):
                self.cluster.stop(self.note.job)
            self.folder.discard_learnt()
            self.note = self.note.model_copy(update={"is_over": True})
            self.note.write(self.folder)
            yield Stopped(step=self.step, reason="discard")

    def _broken(self, standing: ClusterJobState) -> JobError:
        said = [line.strip() for line in self.said if line.strip()]
        last = said[-1] if said else _sentence(standing.message)
        if last.startswith("ModuleNotFoundError"):
            return JobError(
                f"The cluster's Python lacks something: {last}.",
                "Install speech-studio's requirements on its machines, in the Python that runs Ray there.",
            )
        if standing.is_lost:
            return JobError(
                f"The run was lost {RESTARTS + 1} times: {last}",
                "Look at the cluster's machines and memory; then resume.",
            )
        return JobError(f"The job ended on the cluster before it was done. It said last: {last}", "The log has more.")


def _sentence(message: str) -> str:
    """The first line of what a cluster says, ended like a sentence."""
    first = next((line.strip() for line in message.splitlines() if line.strip()), "The job was lost")
    return first[:300].rstrip(".") + "."
