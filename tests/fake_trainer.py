"""A trainer without a network: writes the events that a real run writes. `fake_trainer.py FOLDER [words…]`.

Words: `steps=N`, `pause=SECONDS` a step, and one of `crash`, `silent-exit`, `mute`, `hostile` (ignores every request
and leaves a child that ignores SIGTERM in a session of its own; their numbers stand in `pids.txt`).
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from studio.runs import events
from studio.runs.folder import RunFolder

SCRIPT = __file__
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def main(folder: RunFolder, words: list[str]) -> None:
    settings = dict(word.split("=") for word in words if "=" in word)
    steps, pause = int(settings.get("steps", 5)), float(settings.get("pause", 0.01))
    if "mute" in words:
        return
    told: list[int] = []
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "hostile" in words else lambda number, _: told.append(number))
    if "hostile" in words:
        stubborn = subprocess.Popen([sys.executable, "-c", STUBBORN], start_new_session=True)
        (folder.path / "pids.txt").write_text(f"{os.getpid()} {stubborn.pid}")
        words.append("deaf")
    with folder.events.open("a", encoding="utf-8") as log:
        train(folder, log, steps, pause, words, told)


def train(folder, log, steps, pause, words, told) -> None:
    state = folder.path / "state.txt"
    first = int(state.read_text()) if state.exists() else 0
    say = lambda event: events.write(log, event)  # noqa: E731
    say(events.Started(run=folder.name, model="echo", device="cpu", train_clips=28, validation_clips=4, test_clips=8,
                       train_seconds=98.5, max_steps=steps, trainable_parameters=1000, total_parameters=9000,
                       resumed_from=first))  # fmt: skip
    for name in ("loading", "encoding", "baseline"):
        say(events.Phase(name=name, done=8, total=8))
    if not first:
        say(events.Evaluated(step=0, split="test", wer=0.96, cer=0.5, clips=8, general_wer=0.01))
        say(events.Evaluated(step=0, split="validation", wer=0.94, cer=0.5, clips=4, loss=2.6))
    say(events.Phase(name="training", done=first, total=steps))
    for step in range(first + 1, steps + 1):
        say(events.StepDone(step=step, loss=2.4 * math.exp(-step / (steps / 4)) + 0.1 + 0.05 * math.sin(7 * step),
                            learning_rate=1e-3, clips_per_second=22.5, seconds=step * pause))  # fmt: skip
        print(f"step {step}", flush=True)
        if "crash" in words and step == 3:
            raise RuntimeError("the flux capacitor is empty")
        if "silent-exit" in words and step == 3:
            os._exit(0)
        if step % max(1, steps // 8) == 0:
            say(events.Evaluated(step=step, split="validation", wer=0.9 * math.exp(-step / (steps / 3)) + 0.04, cer=0.1,
                                 clips=4, best=True, loss=2.4 * math.exp(-step / (steps / 3)) + 0.2))  # fmt: skip
            say(events.Sampled(step=step, reference="order one two nine", hypothesis="order 12 nine"))
            state.write_text(str(step))
            say(events.CheckpointSaved(step=step, path=f"checkpoints/{step}"))
        time.sleep(pause)
        if told:
            state.write_text(str(step))
            say(events.Stopped(step=step, reason="interrupted"))
            sys.exit(143)
        if "deaf" not in words and (how := folder.stop_request()):
            say(events.Stopped(step=step, reason="stop and save" if how == "save" else "discard"))
            if how == "discard":
                return
            break
    say(events.Phase(name="tuned", done=8, total=8))
    say(events.Evaluated(step=step, split="test", wer=0.08, cer=0.02, clips=8, general_wer=0.03))
    say(events.Finished(step=step, best_step=step, wer_before=0.96, wer_after=0.08, seconds=step * pause,
                        peak_memory=2**28))  # fmt: skip
    folder.done.write_text("")


if __name__ == "__main__":
    main(RunFolder(Path(sys.argv[1])), sys.argv[2:])
