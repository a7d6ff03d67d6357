"""Training the pause heads of a tuned Kyutai model, so that they wait where a number is not yet whole.

The makers' own training of them is not public. Here a frame is a pause of a head's horizon where no word is being said
and the next one begins later than that, or never; within a number, however long its speaker hesitates, it is none. The
network with its adapter stays as it is, and only the heads learn: four linear layers on what it makes of the sound,
which takes seconds once the clips were read. Each clip counts as it was said and with pauses between its digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.data.manifest import Dataset
from studio.data.utterance import Utterance, clips_of
from studio.errors import DataError
from studio.evaluation.cut_off import AFTER, has_digits, hesitating
from studio.evaluation.evaluate import open_dataset, read_manifest
from studio.evaluation.hypotheses import read_clip
from studio.models import Clip, Recogniser, load
from studio.models.kyutai.pauses import HORIZONS, READ_TOGETHER, PauseHeads, heard
from studio.progress import OnProgress, unwatched
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text import counted
from studio.workspace import Workspace

if TYPE_CHECKING:
    import torch

MOST = {"train": 200, "validation": 50}  # clips of each split: their hidden states are in memory at once
PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4)  # for leaving the base model's heads; the validation clips choose
ITERATIONS = 100  # of L-BFGS, over all frames at once
_SEED = 7  # of the pauses in the clips; those that measure have another


@dataclass(frozen=True, slots=True)
class TrainedHeads:
    """What the training of the heads came to."""

    run: str
    clips: int
    frames: int
    loss_before: float  # per frame and head of the validation clips, in nats
    loss_after: float
    penalty: float  # the one that was chosen; 0 where the base model's own heads fit best

    def as_text(self) -> str:
        """In a few words."""
        return (
            f"Pause heads of {self.run}: trained on {counted(self.clips, 'clip')} ({self.frames:,} frames); "
            f"loss on the validation clips {self.loss_before:.3f} → {self.loss_after:.3f}."
        )


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of any clips, one after the other."""

    hidden: torch.Tensor  # (frames, width)
    paused: torch.Tensor  # (frames, heads): 1 where the head should say that the turn has ended

    def loss(self, heads: PauseHeads) -> torch.Tensor:
        """Mean of all frames and heads, in nats."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(heads.logits(self.hidden), self.paused)


def train(
    workspace: Workspace, folder: RunFolder, device: str = "auto", on_progress: OnProgress = unwatched
) -> TrainedHeads:
    """Train the pause heads on the clips that the run in `folder` learnt from, and keep them with its adapter.

    Raises DataError where these have no word times; ModelError where the base model has no pause heads; JobError.
    """
    record = RunRecord.read(folder)
    dataset = open_dataset(workspace, record.dataset)
    chosen = {split: _timed(folder, dataset, split, most) for split, most in MOST.items()}
    if lacking := [split for split, clips in chosen.items() if not clips]:
        raise DataError(
            f"No clip of the {' or '.join(lacking)} split of “{folder.name}” has word times.",
            f"Time the words first: studio align {record.dataset}",
        )
    recogniser = load(record.config.model, device, adapter=folder.adapter)
    heads, rate = PauseHeads.of(recogniser), recogniser.family.sample_rate
    said = {split: [read_clip(dataset, clip, rate) for clip in clips] for split, clips in chosen.items()}
    both = {split: _with_pauses(clips, rate) for split, clips in said.items()}
    total, done = sum(map(len, both.values())), 0
    found: dict[str, list[Frames]] = {split: [] for split in both}
    for split, clips in both.items():
        for start in range(0, len(clips), READ_TOGETHER):
            batch = clips[start : start + READ_TOGETHER]
            on_progress(done, total)
            found[split] += _frames(recogniser, batch, len(heads.weight))
            done += len(batch)
    on_progress(total, total)
    learnt, choosing = (_joined(found[split]) for split in MOST)
    best, penalty = learn(heads, learnt, choosing)
    best.save(folder.adapter)
    before, after = (choosing.loss(each).item() for each in (heads, best))
    return TrainedHeads(folder.name, len(said["train"]), len(learnt.hidden), before, after, penalty)


def learn(heads: PauseHeads, learnt: Frames, choosing: Frames) -> tuple[PauseHeads, float]:
    """The heads that fit `learnt` without going far from `heads`; of several penalties for that the one whose heads fit
    `choosing` best, and which it was: 0 where `heads` themselves do.
    """
    best, chosen, least = heads, 0.0, choosing.loss(heads).item()
    for penalty in PENALTIES:
        found = _fitted(heads, learnt, penalty)
        if (loss := choosing.loss(found).item()) < least:
            best, chosen, least = found, penalty, loss
    return best, chosen


def _fitted(heads: PauseHeads, learnt: Frames, penalty: float) -> PauseHeads:
    import torch

    weight = heads.weight.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([weight], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        optimiser.zero_grad()
        loss = learnt.loss(PauseHeads(weight)) + penalty * (weight - heads.weight).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(objective)  # type: ignore[no-untyped-call]
    return PauseHeads(weight.detach())


def paused_at(seconds: float, clip: Clip) -> list[bool]:
    """For each of HORIZONS: whether a listener who heard so many `seconds` of `clip` may take it for the end."""
    words = clip.words or ()
    if any(start <= seconds < end for _, (start, end) in words) or _is_within_number(seconds, clip):
        return [False] * len(HORIZONS)
    following = min((start for _, (start, _) in words if start >= seconds), default=float("inf"))
    return [following - seconds > horizon for horizon in HORIZONS]


def _is_within_number(seconds: float, clip: Clip) -> bool:
    """Whether a digit was said before and another follows as the next word."""
    return any(
        has_digits(word) and has_digits(next_word) and end <= seconds < start
        for (word, (_, end)), (next_word, (start, _)) in pairwise(clip.words or ())
    )


def _timed(folder: RunFolder, dataset: Dataset, split: str, most: int) -> list[Utterance]:
    """The clips of one split with the word times that they have now."""
    now = {clip.id: clip.words for clip in dataset.utterances()}
    clips = [clip for clip in clips_of(read_manifest(folder.manifest)) if clip.split == split]
    timed = [clip.model_copy(update={"words": now.get(clip.id) or clip.words}) for clip in clips]
    return [clip for clip in timed if clip.words][:most]


def _with_pauses(clips: Sequence[Clip], rate: int) -> list[Clip]:
    return [each for clip in clips for each in (clip, hesitating(clip, rate, _SEED))]


def _frames(recogniser: Recogniser, clips: Sequence[Clip], heads: int) -> Iterator[Frames]:
    """Of each clip, from the first word that is written: before it no client ends a turn."""
    import torch

    for clip, found in zip(clips, heard(recogniser, clips, AFTER), strict=True):
        first = found.first_word if found.first_word is not None else 0.0
        places = [place for place, at in enumerate(found.seconds) if at >= first]
        paused = [paused_at(found.seconds[place], clip)[:heads] for place in places]
        yield Frames(found.hidden[places], torch.tensor(paused, dtype=torch.float32))


def _joined(parts: Sequence[Frames]) -> Frames:
    import torch

    return Frames(torch.cat([part.hidden for part in parts]), torch.cat([part.paused for part in parts]))
