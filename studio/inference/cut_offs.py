"""How often a run's model, before and after, would have cut a caller off: measured on its held-out clips.

A Kyutai model is judged by its own pause heads, any other by the page's hands-free detector, which hears levels alone
and so does the same before and after. Kept as `cut_offs.json` in the run's folder, which the report reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from studio.audio.turns import SILENCE, turn_ends
from studio.data.utterance import Utterance, clips_of
from studio.errors import DataError
from studio.evaluation.cut_off import AFTER, CutOffs, Turn, hesitating, usable
from studio.evaluation.evaluate import open_dataset, read_manifest
from studio.evaluation.hypotheses import read_clip
from studio.models import Clip, Recogniser, load
from studio.models.adapters import without_adapter
from studio.models.kyutai.pauses import READ_TOGETHER, USUAL_HEAD, USUAL_THRESHOLD, PauseHeads
from studio.models.word_times import LearnsFromWordTimes
from studio.progress import OnProgress, unwatched
from studio.reports.cut_offs import CutOffReport
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.workspace import Workspace

_SEED = 42  # of the pauses that are put into the clips

Ended = Callable[[Sequence[Clip]], list[float | None]]


def measure(
    workspace: Workspace,
    folder: RunFolder,
    head: int = USUAL_HEAD,
    threshold: float = USUAL_THRESHOLD,
    device: str = "auto",
    on_progress: OnProgress = unwatched,
) -> CutOffReport:
    """The cut-offs of the run in `folder`, on its held-out clips with numbers, each as it is and with pauses in them.

    Raises DataError where no such clip has word times; ModelError where the base model's pause heads are missing, or
    it has no head of that number; JobError.
    """
    record = RunRecord.read(folder)
    dataset = open_dataset(workspace, record.dataset)
    chosen = _newest(usable, clips_of(read_manifest(folder.manifest)), dataset.utterances())
    if not chosen:
        raise DataError(
            f"No held-out clip of “{folder.name}” has both a number in its label and word times.",
            f"Time the words first: studio align {record.dataset}",
        )
    recogniser = load(record.config.model, device, adapter=folder.adapter)
    rate = recogniser.family.sample_rate
    clips = [read_clip(dataset, clip, rate) for clip in chosen]
    listened = {"plain": clips, "hesitating": [hesitating(clip, rate, _SEED) for clip in clips]}
    judges, by = _judges(recogniser, folder, head, threshold)
    found: dict[str, CutOffs] = {}
    done, total = 0, 4 * len(clips)
    for kind, heard in listened.items():
        for side in ("before", "after"):
            turns: list[Turn] = []
            for start in range(0, len(heard), READ_TOGETHER):
                on_progress(done, total)
                batch = heard[start : start + READ_TOGETHER]
                turns += _turns(batch, _ended(recogniser, judges[side], side, batch))
                done += len(batch)
            found[f"{kind}_{side}"] = CutOffs(turns=turns)
    on_progress(total, total)
    report = CutOffReport(run=folder.name, by=by, head=head, threshold=threshold, **found)
    report.write(folder)
    return report


def _newest(
    chosen: Callable[[Sequence[Utterance]], list[Utterance]], kept: Sequence[Utterance], now: Sequence[Utterance]
) -> list[Utterance]:
    """The held-out clips of a run with the word times that they have now: they may have been timed since."""
    times = {clip.id: clip.words for clip in now}
    held_out = [clip for clip in kept if clip.split == "test"]
    return chosen([clip.model_copy(update={"words": times.get(clip.id) or clip.words}) for clip in held_out])


def _ended(recogniser: Recogniser, judge: Ended, side: str, clips: Sequence[Clip]) -> list[float | None]:
    if side == "after":
        return judge(clips)
    with without_adapter(recogniser):
        return judge(clips)


def _turns(clips: Sequence[Clip], ended: Sequence[float | None]) -> Iterator[Turn]:
    for clip, at in zip(clips, ended, strict=True):
        yield Turn(clip=clip.id, last_word=max(end for _, (_, end) in clip.words or ()), ended=at)


def _judges(recogniser: Recogniser, folder: RunFolder, head: int, threshold: float) -> tuple[dict[str, Ended], str]:
    """What says when a turn ended, before and after, and what it is called."""
    if not isinstance(recogniser.family, LearnsFromWordTimes):
        rate = recogniser.family.sample_rate
        by_level = partial(_by_level, rate=rate)
        return {"before": by_level, "after": by_level}, f"the page's hands-free detector ({SILENCE:g} s of silence)"
    base = PauseHeads.of(recogniser)
    name, tuned = base.name(head), base.trained(folder.adapter)
    ended: dict[str, Ended] = {
        side: partial(_by_heads, recogniser, heads, head, threshold)
        for side, heads in (("before", base), ("after", tuned))
    }
    return ended, f"{name} at {threshold:g}" + (", trained for the run" if tuned is not base else "")


def _by_heads(
    recogniser: Recogniser, heads: PauseHeads, head: int, threshold: float, clips: Sequence[Clip]
) -> list[float | None]:
    return [track.ended(head, threshold) for track in heads.tracks(recogniser, clips, AFTER)]


def _by_level(clips: Sequence[Clip], rate: int) -> list[float | None]:
    import numpy as np

    tail = np.zeros(int(AFTER * rate), np.float32)
    return [next(turn_ends(np.concatenate([clip.samples, tail]), rate), None) for clip in clips]
