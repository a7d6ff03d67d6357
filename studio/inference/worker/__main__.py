"""The far end of the pipe: `python -m studio.inference.worker SECONDS` ends itself after so long without a request."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from typing import IO, Any

from studio.errors import ModelError, StudioError
from studio.inference.worker.host import ModelHost


def main() -> None:
    """Answer requests until there have been none for a while."""
    answers = _private_stdout()
    requests = _requests(sys.stdin)
    held = ModelHost(lambda: not requests.empty())
    while True:
        try:
            line = requests.get(timeout=float(sys.argv[1]))
        except queue.Empty:
            os._exit(0)  # an orderly end would wait for the thread that reads stdin
        request = json.loads(line)
        if request["do"] != "yield":  # its line alone has interrupted what was going on
            answers.write(json.dumps(answer(held, request)) + "\n")
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


def answer(held: ModelHost, request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one request: `result`, or `error` as code, what and remedy."""
    try:
        given = {name: value for name, value in request.items() if name not in ("id", "do")}
        return {"id": request["id"], "result": getattr(held, request["do"])(**given)}
    except StudioError as error:
        return {"id": request["id"], "error": error.as_json()}
    except Exception as error:
        traceback.print_exc()
        what = f"The model failed: {type(error).__name__}: {str(error)[:300]}."
        failed = ModelError(what, "Try another clip or another model.")
        return {"id": request["id"], "error": failed.as_json()}


if __name__ == "__main__":
    main()
