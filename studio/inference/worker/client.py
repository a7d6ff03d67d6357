"""The near end of the pipe: starts the process when it is needed, and again when it has ended."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from studio import errors
from studio.errors import ModelError
from studio.models.base import AdapterHypothesis, Hypothesis
from studio.models.key_terms import DEFAULT_BOOST

COMMAND = (sys.executable, "-m", "studio.inference.worker")
IDLE = 600.0  # seconds without a request after which the process gives its memory back
TIMEOUT = 300.0  # seconds for one answer: a large model is read from a slow disk in less


class Worker:
    """A recogniser that any thread may ask; one question is answered at a time.

    Every method raises what the far end raised (AudioError, DataError, ModelError, …), and ModelError where
    its process ended or did not answer in time; the next call then starts a fresh one.
    """

    def __init__(self, command: Sequence[str] = COMMAND, idle: float = IDLE, timeout: float = TIMEOUT) -> None:
        self._command = [*command, str(idle)]
        self._timeout = timeout
        self._lock = threading.Lock()
        self._process: _Process | None = None

    def prepare(self, model: str, adapters: Sequence[Path] = ()) -> None:
        """Load `model` and `adapters` and transcribe some silence, so that the first utterance is not slow."""
        self._ask("prepare", model, adapters)

    def transcribe(self, audio: Path | bytes, model: str, adapter: Path | None = None) -> Hypothesis:
        """What `model`, with `adapter` where one is given, writes for one clip."""
        with _on_disk(audio) as path:
            answer = self._ask("transcribe", model, [adapter] if adapter else [], audio=str(path))
        return Hypothesis.model_validate(answer)

    def partial(self, audio: Path | bytes, model: str, adapter: Path | None = None) -> Hypothesis:
        """The same as `transcribe`, in less time for an utterance that has grown since the last call.

        Raises CancelledError where it was given up for `interrupt`.
        """
        with _on_disk(audio) as path:
            answer = self._ask("partial", model, [adapter] if adapter else [], audio=str(path))
        return Hypothesis.model_validate(answer)

    def listen(self, audio: Path | bytes, model: str, adapters: Sequence[Path], turn: str, at: int) -> dict[str, Any]:
        """More of the turn called `turn`, a WAV from its sample `at` on, by a model that `Listens`.

        `heard` has the samples that are known: what comes next begins there. `readers` has the fields of
        `studio.inference.live.LiveWords` for the base and each of `adapters`, as far as they keep pace.
        """
        with _on_disk(audio) as path:
            found: dict[str, Any] = self._ask("listen", model, adapters, audio=str(path), turn=turn, at=at)
        return found

    def transcribe_each(
        self,
        audio: Path | bytes,
        model: str,
        adapters: Sequence[Path] = (),
        terms: Sequence[str] = (),
        boost: float = DEFAULT_BOOST,
        strength: float = 1.0,
        *,
        short_frames: bool = False,
    ) -> list[AdapterHypothesis]:
        """What `model` writes for one clip without an adapter, then what it writes with each of `adapters`: 0 to 4.

        With `terms` each reading is `biased` too: the same, with those made likelier (see `studio.models.key_terms`).
        The adapters act `strength` times as strongly as they are kept. With `short_frames` a model that fills clips
        with silence (Whisper) adds less of it: faster, and now and then another word.
        Raises ConfigError where there are too many adapters or terms, or `boost` is out of bounds.
        """
        with _on_disk(audio) as path:
            how = {"terms": [*terms], "boost": boost, "strength": strength, "short_frames": short_frames}
            answer = self._ask("transcribe_each", model, adapters, audio=str(path), **how)
        return [AdapterHypothesis.model_validate(reading) for reading in answer]

    def pauses(self, audio: Path | bytes, model: str, adapters: Sequence[Path] = ()) -> list[dict[str, Any]]:
        """What the pause heads say while one clip is read, without an adapter and with each of `adapters`.

        Each has the fields of `studio.models.kyutai.pauses.PauseTrack`. Raises ModelError where the model has none.
        """
        with _on_disk(audio) as path:
            found: list[dict[str, Any]] = self._ask("pauses", model, adapters, audio=str(path))
        return found

    def correct_each(self, typed: str, model: str, adapters: Sequence[Path] = ()) -> list[Hypothesis]:
        """What the typing model `model` makes of `typed` without an adapter, then with each of `adapters`: 0 to 4."""
        answer = self._ask("correct_each", model, adapters, typed=typed)
        return [Hypothesis.model_validate(found) for found in answer]

    def interrupt(self) -> None:
        """Give up the partial text that is being transcribed, for something more urgent. Returns at once."""
        if process := self._process:
            process.tell({"do": "yield"})

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process and self._process.is_alive() else None

    def close(self) -> None:
        """End the process and free its memory. A later call starts a fresh one."""
        with self._lock:
            self._end()

    def _ask(self, do: str, model: str, adapters: Sequence[Path], **more: Any) -> Any:
        request = {"do": do, "model": model, "adapters": [str(adapter) for adapter in adapters], **more}
        with self._lock:
            answer = self._exchange(request)
        if "error" in answer:
            raise errors.from_json(answer["error"])
        return answer["result"]

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        """One question, one answer. A process that had just gone idle is replaced without a word."""
        try:
            process = self._running()
            answer = process.ask(request, self._timeout)
            if answer is None and process.ended() == 0:
                process = self._running()
                answer = process.ask(request, self._timeout)
            if answer is None:
                raise process.why_it_ended()
            return answer
        except BaseException:
            self._end()
            raise

    def _running(self) -> _Process:
        if self._process is None or not self._process.is_alive():
            self._end()
            self._process = _Process(self._command)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None


class _Process:
    """One process, with its answers in a queue and its last words kept."""

    def __init__(self, command: Sequence[str]) -> None:
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._asked = 0
        self._telling = threading.Lock()  # one line at a time
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=50)  # lines of stderr
        self._threads = [
            threading.Thread(target=read, daemon=True) for read in (self._read_answers, self._read_complaints)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def ended(self) -> int:
        """The exit code of a process whose pipe has closed; negative for a signal."""
        try:
            return self._popen.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL

    def ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any] | None:
        """The answer; None where the process ended instead. Raises ModelError after `timeout` seconds."""
        self._asked += 1
        if not self.tell({"id": self._asked, **request}):
            return None
        try:
            line = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise ModelError(
                f"The model did not answer within {timeout:g} seconds.",
                "Try a shorter clip, or a smaller model.",
            ) from None
        if line is None:
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tell(self, request: dict[str, Any]) -> bool:
        """Send a line, and wait for no answer: False where the process no longer reads."""
        assert self._popen.stdin is not None
        try:
            with self._telling:
                self._popen.stdin.write(json.dumps(request) + "\n")
                self._popen.stdin.flush()
        except (BrokenPipeError, ValueError):  # a pipe that is closed
            return False
        return True

    def why_it_ended(self) -> ModelError:
        """What a person can know and do, with the last line of its stderr where it said anything."""
        self._threads[1].join(timeout=1)
        said = [line.strip() for line in self._said if line.strip()]
        last = f" It last said: {said[-1][:300]}" if said else ""
        return ModelError(
            f"The model's process ended unexpectedly ({_cause(self.ended())}).{last}",
            "A fresh one starts at the next try. If that one stops too, close other programs or use a smaller model.",
        )

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()
        for thread in self._threads:
            thread.join(timeout=5)
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            with suppress(BrokenPipeError):  # a question that it never read
                pipe.close()  # type: ignore[union-attr]

    def _read_answers(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _read_complaints(self) -> None:
        assert self._popen.stderr is not None
        self._said.extend(self._popen.stderr)


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, often because memory ran out" if name == "SIGKILL" else name


@contextmanager
def _on_disk(audio: Path | bytes) -> Iterator[Path]:
    """The path of `audio`; bytes lie in a temporary file meanwhile."""
    if isinstance(audio, Path):
        yield audio
        return
    with tempfile.TemporaryDirectory(prefix="studio-") as folder:
        path = Path(folder) / "clip.wav"
        path.write_bytes(audio)
        yield path
