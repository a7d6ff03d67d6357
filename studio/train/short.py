"""The short clips among the held-out ones, scored by themselves: their hypotheses are known already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from studio.data.manifest import Example
from studio.evaluation.evaluate import Evaluation
from studio.runs.events import Event, Warned
from studio.runs.folder import RunFolder
from studio.train.scoring import Scorer
from studio.workspace import write_atomically


def keep_short(
    folder: RunFolder, scorer: Scorer, before: Evaluation, after: Evaluation, clips: list[Example]
) -> Iterator[Event]:
    """Write both manifests, and `before` and `after` of the clips that last no longer than the config's limit.

    `clips` are the held-out ones. Raises DiskError.
    """
    limit = scorer.config.short_seconds
    read = {row.id for row in after.rows}
    short = [clip for clip in clips if clip.duration <= limit and clip.id in read]
    _write_manifest(folder.heldout_manifest, clips)
    _write_manifest(folder.short_manifest, short)
    if not short:
        yield Warned(message=f"None of the held-out clips lasts {limit:g} s or less: there is no score of short ones.")
        return
    scorer.only(before, short).write(folder.short_baseline)
    scorer.only(after, short).write(folder.short_tuned)


def _write_manifest(path: Path, clips: list[Example]) -> None:
    write_atomically(path, "".join(clip.to_line() + "\n" for clip in clips))
