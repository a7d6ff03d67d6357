"""Finished runs without any training: what two models are said to have written, put where a run puts it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tones import config, folder_of

from studio.data.utterance import Split, Utterance
from studio.evaluation.evaluate import Evaluation, scored
from studio.evaluation.failure_modes import Probe
from studio.models import Hypothesis
from studio.runs import events
from studio.runs.events import Evaluated, Finished
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord

QUIET = [Probe(sound="silence", seconds=5.0, text=""), Probe(sound="noise", seconds=5.0, text="")]


def clips_of(references: Sequence[str], prefix: str = "c", **more: Any) -> list[Utterance]:
    split: Split = "test"
    return [
        Utterance(
            id=f"{prefix}{place:03d}", audio_filepath=f"clips/{prefix}{place}.wav", text=text, split=split,
            duration=1.0 + place % 3 * 2, **more,
        )
        for place, text in enumerate(references)
    ]  # fmt: skip


def read_as(
    clips: Sequence[Utterance], texts: Sequence[str], adapter: str | None, probes: Sequence[Probe] = QUIET
) -> Evaluation:
    heard = [
        Hypothesis(text=text, seconds=clip.duration, latency=0.1, confidence=0.9)
        for clip, text in zip(clips, texts, strict=True)
    ]
    return scored(clips, heard, model="echo", adapter=adapter, normaliser="exact", probes=probes)


def finished(
    root: Path,
    name: str,
    references: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
    *,
    clips: Sequence[Utterance] | None = None,
    general: tuple[Sequence[str], Sequence[str], Sequence[str]] | None = None,
    probes: Sequence[Probe] = QUIET,
    **settings: Any,
) -> RunFolder:
    """A run in which the base model wrote `before` and the tuned one `after`; `general` likewise, references first."""
    folder, clips = folder_of(root, name), clips or clips_of(references)
    record = RunRecord.of(config(**settings), name, device="cpu", threads=1, precision="fp32")
    record.using({"train": [], "validation": [], "test": list(clips)}).write(folder)
    folder.manifest.write_text("".join(clip.to_line() + "\n" for clip in clips))
    read_as(clips, before, None).write(folder.baseline)
    read_as(clips, after, name, probes).write(folder.tuned)
    if general:
        known = clips_of(general[0], "g")
        read_as(known, general[1], None).write(folder.general_baseline)
        read_as(known, general[2], name).write(folder.general_tuned)
    with folder.events.open("w", encoding="utf-8") as log:
        for step, wer in ((0, 0.8), (4, 0.5), (8, 0.2)):
            events.write(log, Evaluated(step=step, split="validation", wer=wer, cer=wer / 2, clips=4, loss=2 * wer))
        events.write(
            log, Finished(step=10, best_step=8, wer_before=0.8, wer_after=0.1, seconds=61.0, peak_memory=512_000_000)
        )
    folder.done.touch()
    return folder
