"""A speech recogniser in a process of its own, so that the page never pays for torch, and never dies of it.

The two ends speak JSON lines over pipes:

    -> {"id": 7, "do": "transcribe", "model": "starter", "adapters": ["…/lora_adapter"], "audio": "….wav"}
    <- {"id": 7, "result": {"text": …}}
    <- {"id": 7, "error": {"code": "AudioError", "what": "…", "remedy": "…"}}

`Worker` is the near end. `python -m studio.inference.worker` is the far one: it keeps one set of weights in memory,
with up to four adapters, ends itself when it has had nothing to do for a while, and at once when the near end is gone,
however it died. During speech, `Worker.partial` transcribes the utterance so far: the far end tries the text that it
read last and only writes on from where that no longer holds. A model that writes while it hears is given what is new
alone: `Worker.listen`.
"""

from __future__ import annotations

from functools import cache

from studio.inference.worker.client import Worker

__all__ = ["Worker", "shared"]


@cache
def shared() -> Worker:
    """The one worker of this process: every tab asks it, so that the weights are in memory once."""
    return Worker()
