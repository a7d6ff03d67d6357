"""What each adapter learns from 20 and from 50 clips, and what it costs other voices.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.adapters WORKSPACE [--story theo-words …] [--clips 20 50] [--seeds 0 1]

Every adapter of `studio.config.ADAPTERS`, with replay and without, on voices that the starter never heard: Theo, a
real person (labels as words, then as digits), and two synthesisers. A run that is done in WORKSPACE is not run again,
so that the work may be stopped. About 13 s of processor time a run.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio import audio, config, models
from studio.data.manifest import Dataset
from studio.data.prompts import numbers
from studio.data.utterance import Split
from studio.evaluation.evaluate import Evaluation, evaluate
from studio.runs.folder import RunFolder
from studio.starter import GENERAL_FOLDER, domain, synthesis
from studio.starter.recipe.human import speech_folder
from studio.text import Convention, words_to_digits, write_numbers
from studio.workspace import Workspace

HELD_OUT = 25  # the same clips whatever the number to learn from
CHOOSING = 0.15  # of the clips to learn from, to choose the best step by

Clip = tuple[str, bytes | Path]  # a sentence with digits, and its sound


@dataclass(frozen=True, slots=True)
class Story:
    """Who speaks, and how the labels write numbers."""

    speaker: str  # of the metadata of human clips, or a voice of `studio.starter.synthesis`
    convention: Convention

    def clips(self, seed: int) -> list[Clip]:
        """All there are, in the order of `seed`."""
        found = list(_human(self.speaker) if self.speaker.startswith("fsdd") else _synthetic(self.speaker))
        random.Random(seed).shuffle(found)
        return found


STORIES = {
    "theo-words": Story("fsdd_theo", "words"),
    "theo-digits": Story("fsdd_theo", "digits"),
    "awb-words": Story("flite:awb", "words"),
    "whisper-digits": Story("espeak-ng:en-us+whisperf", "digits"),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One run."""

    story: str
    clips: int
    adapter: str
    replay: bool
    seed: int

    @property
    def name(self) -> str:
        """Of its run."""
        return f"{self.story}-{self.clips}-{self.adapter}-{'replay' if self.replay else 'alone'}-{self.seed}"

    @property
    def dataset(self) -> str:
        """Of its clips."""
        return f"{self.story}-{self.clips}-{self.seed}"


def _human(speaker: str) -> Iterator[Clip]:
    folder = speech_folder()
    if folder is None:
        raise SystemExit("Real speech is absent: set STUDIO_SPEECH to a folder with metadata.jsonl.")
    with (folder / "metadata.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["speaker"] == speaker and row["set"] == "fsdd_connected":
                yield words_to_digits(row["text"]), folder / row["file_name"]


def _synthetic(name: str) -> Iterator[Clip]:
    voice = synthesis.voice(name)
    texts = (words_to_digits(prompt.label) for part in (0, 1) for prompt in numbers("digits", seed=part))
    for sentence in list(dict.fromkeys(texts)):
        samples, sample_rate = synthesis.synthesise(domain.spoken(sentence), voice)
        yield sentence, audio.wav_bytes(samples, sample_rate)


def recorded(workspace: Workspace, trial: Trial) -> None:
    """The dataset of `trial`, unless it is there."""
    folder = workspace.dataset(trial.dataset)
    if folder.exists():
        return
    story, choosing = STORIES[trial.story], round(CHOOSING * trial.clips)
    dataset, found = Dataset.create(folder), story.clips(trial.seed)
    sides: list[Split] = ["test"] * HELD_OUT + ["validation"] * choosing + ["train"] * (trial.clips - choosing)
    for side, (sentence, sound) in zip(sides, found, strict=False):
        label = write_numbers(sentence, story.convention)
        dataset.add(sound, text=label, prompt=sentence, speaker=story.speaker, source="import", split=side)


def done(workspace: Workspace, trial: Trial) -> RunFolder:
    """The run of `trial`, now or earlier."""
    from studio.train.finetune import run

    folder = RunFolder(workspace.run(trial.name))
    if not folder.done.exists():
        recorded(workspace, trial)
        folder.path.mkdir(parents=True, exist_ok=True)
        replay = config.BUNDLED if trial.replay else config.NOTHING
        plan = config.preset(
            "balanced", dataset=trial.dataset, targets=trial.adapter, replay=replay, seed=trial.seed, threads=1
        )
        for _ in run(plan, folder, workspace):
            pass
    return folder


def figures(folder: RunFolder) -> tuple[float, float, float]:
    """Held-out WER before and after, and the general WER after: rates."""
    before, after = Evaluation.read(folder.baseline), Evaluation.read(folder.tuned)
    assert before is not None
    assert after is not None
    general = folder.path / "general_after.json"
    if not general.exists():
        evaluate(models.load("starter", adapter=folder.adapter), _general(), "test").write(general)
    other = Evaluation.read(general)
    assert other is not None
    return before.score.wer, after.score.wer, other.spoken.wer


@functools.cache
def _general() -> Dataset:
    return Dataset.open(GENERAL_FOLDER)


def row(workspace: Workspace, trials: Sequence[Trial]) -> str:
    """One line of the table: the same work with every seed; medians, and each run's figures."""
    found = [figures(done(workspace, trial)) for trial in trials]
    befores, afters, generals = zip(*found, strict=True)
    first = trials[0]
    cells = (
        first.story,
        str(first.clips),
        first.adapter,
        "0.5" if first.replay else "none",
        f"{statistics.median(befores):.1%} → {statistics.median(afters):.1%}",
        " ".join(f"{100 * after:.1f}" for after in afters),
        f"{statistics.median(generals):.1%}",
        " ".join(f"{100 * general:.1f}" for general in generals),
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table, a row as soon as its runs are done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--story", nargs="+", default=list(STORIES), choices=STORIES)
    parser.add_argument("--clips", nargs="+", type=int, default=[20, 50])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    given = parser.parse_args()
    workspace = Workspace(given.workspace.resolve())
    os.environ["STUDIO_WORKSPACE"] = str(workspace.root)  # where a run looks for its dataset
    base = evaluate(models.load("starter"), _general(), "test")
    print(f"General WER of the base model: {base.spoken.wer:.1%}")
    print("| voice and labels | clips | adapter | replay | held-out WER | each seed, % | general WER | each seed, % |")
    print("|---|---:|---|---|---|---|---|---|", flush=True)
    for story in given.story:
        for clips in given.clips:
            for adapter in config.ADAPTERS:
                for replay in (True, False):
                    trials = [Trial(story, clips, adapter, replay, seed) for seed in given.seeds]
                    print(row(workspace, trials), flush=True)


if __name__ == "__main__":
    main()
