"""Runs of the fake family to lay side by side: for the tests of the Test tab."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tones import config, tones, train, wav

SCRIPT_IN_A_LABEL = "<img src=x onerror=window.broken=1> 5"
RUN, SAME, ALSO, WEAK, OTHER_BASE = "tones-0001", "tones-0002", "tones-0003", "weak", "on-starter"
NEWEST_FIRST = [RUN, SAME, ALSO, WEAK, OTHER_BASE]


def compared(root: Path) -> None:
    """One run that writes digits as words, and under two other names; one that hardly learned; one of another base."""
    dataset = tones(root)
    dataset.add(wav("call 5"), text=SCRIPT_IN_A_LABEL, split="test")
    train(root, RUN, config(dropout=0.0, max_steps=20))
    train(root, WEAK, config(dropout=0.0, max_steps=1, eval_every=1, learning_rate=1e-6))
    for name in (SAME, ALSO, OTHER_BASE):
        shutil.copytree(root / "outputs" / RUN, root / "outputs" / name)
    _made_on(root / "outputs" / OTHER_BASE / "config.json", "starter")
    for age, name in enumerate(NEWEST_FIRST):
        os.utime(root / "outputs" / name / "config.json", (1e9 - age, 1e9 - age))


def _made_on(settings: Path, model: str) -> None:
    settings.write_text(json.dumps(json.loads(settings.read_bytes()) | {"model": model}))
