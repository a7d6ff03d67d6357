"""The far end of the pipe: `python -m studio.worker SECONDS` ends itself after so long without a request."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from studio.errors import ModelError, StudioError

if TYPE_CHECKING:
    from studio.models.base import Clip, Hypothesis, Recogniser


def main() -> None:
    """Answer requests until there have been none for a while."""
    answers = _private_stdout()
    requests = _requests(sys.stdin)
    held = Held()
    while True:
        try:
            line = requests.get(timeout=float(sys.argv[1]))
        except queue.Empty:
            os._exit(0)  # an orderly end would wait for the thread that reads stdin
        answers.write(json.dumps(answer(held, json.loads(line))) + "\n")
        answers.flush()


def _private_stdout() -> IO[str]:
    """Standard output for answers alone: whatever a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _requests(stream: IO[str]) -> queue.Queue[str]:
    """Requests as they come. The near end's death closes the pipe, and ends this process at any work."""
    requests: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream:
            requests.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return requests


def answer(held: Held, request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one request: `result`, or `error` as code, what and remedy."""
    try:
        adapter = Path(request["adapter"]) if request["adapter"] else None
        result = getattr(held, request["do"])(request["model"], adapter, request["audio"])
        return {"id": request["id"], "result": result}
    except StudioError as error:
        return {"id": request["id"], "error": _crossing(error)}
    except Exception as error:
        traceback.print_exc()
        what = f"The model failed: {type(error).__name__}: {str(error)[:300]}."
        return {
            "id": request["id"],
            "error": _crossing(ModelError(what, "Try another clip or another model.")),
        }


def _crossing(error: StudioError) -> dict[str, str]:
    return {"code": error.code, "what": error.what, "remedy": error.remedy}


class Held:
    """The one set of weights in memory, and the adapter that is on it."""

    def __init__(self) -> None:
        self._recogniser: Recogniser | None = None
        self._adapter: tuple[Path, int] | None = None  # and when it was written: a resumed run replaces it

    def prepare(self, model: str, adapter: Path | None, audio: None) -> None:
        """Load, and read a second of silence: the first read of a process is far slower than the next."""
        import numpy as np

        from studio.audio import resample
        from studio.models.base import Clip

        is_warm = self._recogniser is not None
        recogniser = self._ready(model, adapter)
        if not is_warm:
            silence = resample(np.zeros(48_000, np.float32), 48_000, recogniser.family.sample_rate)
            _read(recogniser, Clip(silence), adapter)

    def transcribe(self, model: str, adapter: Path | None, audio: str) -> dict[str, Any]:
        """What the model writes, without an adapter where none is asked for."""
        recogniser = self._ready(model, adapter)
        return _read(recogniser, _clip(recogniser, audio), adapter).model_dump()

    def before_and_after(self, model: str, adapter: Path, audio: str) -> list[dict[str, Any]]:
        from studio.transcribe import before_and_after

        recogniser = self._ready(model, adapter)
        both = before_and_after(recogniser, _clip(recogniser, audio))
        return [hypothesis.model_dump() for hypothesis in both]

    def _ready(self, model: str, adapter: Path | None) -> Recogniser:
        """The recogniser of `model` with `adapter` on it; only what differs from last time is loaded."""
        from studio import models
        from studio.models.adapters import load_adapter

        if self._recogniser is None or self._recogniser.source != model:
            self._recogniser, self._adapter = None, None  # the old weights go before the new ones come
            self._recogniser = models.load(model)
        recogniser, wanted = self._recogniser, _written(adapter) if adapter else None
        if adapter and self._adapter != wanted:
            self._recogniser, self._adapter = None, None  # half an adapter is never kept
            recogniser = load_adapter(recogniser, adapter)
            self._recogniser, self._adapter = recogniser, wanted
        return recogniser


def _read(recogniser: Recogniser, clip: Clip, adapter: Path | None) -> Hypothesis:
    from studio.models.adapters import without_adapter

    with nullcontext() if adapter else without_adapter(recogniser):
        return recogniser.family.transcribe(recogniser.model, recogniser.processor, clip)


def _written(adapter: Path) -> tuple[Path, int]:
    try:
        return adapter, (adapter / "adapter_model.safetensors").stat().st_mtime_ns
    except FileNotFoundError:
        return adapter, 0  # loading it will say what is missing


def _clip(recogniser: Recogniser, audio: str) -> Clip:
    from studio.audio import read
    from studio.models.base import Clip

    return Clip(read(Path(audio), recogniser.family.sample_rate).samples)


if __name__ == "__main__":
    main()
