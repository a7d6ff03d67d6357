"""How often a run's model, before and after, would have cut a caller off: measured on its held-out clips.

A Kyutai model is judged by its own pause heads, any other by the page's hands-free detector, which hears levels alone
and so does the same before and after. Kept as `cut_offs.json` in the run's folder, which the report reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio.audio.turns import SILENCE, turn_ends
from studio.data.utterance import Utterance, clips_of
from studio.errors import DataError
from studio.evaluation.cut_off import CutOffs, Turn, hesitating, usable
from studio.evaluation.evaluate import open_dataset, read_manifest
from studio.evaluation.hypotheses import read_clip
from studio.models import Clip, Recogniser, load
from studio.models.adapters import without_adapter
from studio.models.kyutai.pauses import USUAL_HEAD, USUAL_THRESHOLD, PauseHeads
from studio.models.word_times import LearnsFromWordTimes
from studio.progress import OnProgress, unwatched
from studio.reports.cut_offs import CutOffReport
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.workspace import Workspace

AFTER = 4.0  # seconds of silence after a clip, in which a turn should end: beyond the longest horizon
_SEED = 42  # of the pauses that are put into the clips

Ended = Callable[[Clip], float | None]


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
    judge, by = _judge(recogniser, head, threshold)
    found: dict[str, CutOffs] = {}
    done, total = 0, 4 * len(clips)
    for kind, heard in listened.items():
        for side in ("before", "after"):
            turns = []
            for clip in heard:
                turns.append(
                    Turn(clip=clip.id, last_word=_last_word(clip), ended=_ended(recogniser, judge, side, clip))
                )
                done += 1
                on_progress(done, total)
            found[f"{kind}_{side}"] = CutOffs(turns=turns)
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


def _ended(recogniser: Recogniser, judge: Ended, side: str, clip: Clip) -> float | None:
    if side == "after":
        return judge(clip)
    with without_adapter(recogniser):
        return judge(clip)


def _judge(recogniser: Recogniser, head: int, threshold: float) -> tuple[Ended, str]:
    """What says when a turn ended, and what it is called."""
    if not isinstance(recogniser.family, LearnsFromWordTimes):
        rate = recogniser.family.sample_rate
        return (lambda clip: _by_level(clip, rate)), f"the page's hands-free detector ({SILENCE:g} s of silence)"
    heads = PauseHeads.of(recogniser)
    name = heads.name(head)
    return (lambda clip: heads.track(recogniser, clip, AFTER).ended(head, threshold)), f"{name} at {threshold:g}"


def _by_level(clip: Clip, rate: int) -> float | None:
    import numpy as np

    tail = np.zeros(int(AFTER * rate), np.float32)
    return next(turn_ends(np.concatenate([clip.samples, tail]), rate), None)


def _last_word(clip: Clip) -> float:
    return max(end for _, (_, end) in clip.words or ())
