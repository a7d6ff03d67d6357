"""What a Quick run teaches a real model, what it costs other voices, and which replay keeps the model whole.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.real WORKSPACE MODEL [--story theo …] [--replay none model true]
        [--clips 15] [--rate 5e-4]

MODEL is a folder with a real model. Every story is a real person of the shared speech (`STUDIO_SPEECH`), with the test
clips that the set names. Replay: none; the bundled people with their true transcripts (the default), or labelled by the
model itself; or second-language readers labelled by the model, for kathleen, who is one of the bundled people. A run
that is done in WORKSPACE is not run again, so that the work may be stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio import config
from studio.data.manifest import Dataset
from studio.data.utterance import Split
from studio.evaluation.evaluate import Evaluation
from studio.evaluation.general_set import PEOPLE_FOLDER
from studio.evaluation.verdict import drift
from studio.runs.folder import RunFolder
from studio.starter.recipe.human import speech_folder
from studio.workspace import Workspace

EVERY = 8  # one in so many clips of the train split helps to choose
DIGITS = ("theo", "jackson", "lucas", "nicolas")
SECOND_LANGUAGE = "0135 0560 0813 0960 1012 1027 1033 1336 1372 2022 2129 2380 2450 2621"  # their speakers' numbers
STORIES = {  # which clips are a person's: their set, and the beginning of the speaker's name
    **{name: ("fsdd_connected", f"fsdd_{name}") for name in DIGITS},
    **{number: ("speechocean", f"speechocean_{number}") for number in SECOND_LANGUAGE.split()},
    "alnum": ("moonshine_alnum", "moonshine_petewarden"),
    "kathleen": ("kathleen", "kathleen"),
}
MOST = 100  # clips that are learnt from and chosen by
REPLAYS: dict[str, dict[str, Any]] = {
    "none": {"replay": config.BUNDLED, "replay_share": 0.0},  # other voices measure all the same
    "true": {"replay": config.BUNDLED},
    "model": {"replay": "people"},
    "others": {"replay": "others"},
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One run."""

    model: str
    story: str
    adapter: str
    replay: str
    preset: str
    seed: int
    short_frames: bool = False
    clips: int = MOST
    rate: float | None = None  # learning rate, where it is not the adapter's own

    @property
    def dataset(self) -> str:
        """The name of what it learns from."""
        return self.story if self.clips == MOST else f"{self.story}-{self.clips}"

    @property
    def name(self) -> str:
        """Of its run."""
        preset = self.preset + "-short" * self.short_frames + (f"-{self.rate:g}" if self.rate else "")
        return "-".join((Path(self.model).name, self.dataset, self.adapter, self.replay, preset, str(self.seed)))


def person(story: str, most: int = MOST) -> Iterator[tuple[Split, str, Path]]:
    """The split, the label and the sound of every clip; `most` of them are learnt from and chosen by."""
    folder = speech_folder()
    if folder is None:
        raise SystemExit("Real speech is absent: set STUDIO_SPEECH to a folder with metadata.jsonl.")
    which, speaker = STORIES[story]
    learnt = 0
    for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["set"] != which or not row["speaker"].startswith(speaker):
            continue
        learnt += row["split"] == "train"
        if row["split"] == "train" and learnt > most:
            continue
        chooses = row["split"] == "train" and learnt % EVERY == 0
        yield "validation" if chooses else row["split"], row["text"], folder / row["file_name"]


def people_by_model(workspace: Workspace, model: str) -> None:
    """The dataset “people”: the bundled set, with what `model` writes as the labels that are learnt from."""
    from studio.api import transcribe
    from studio.models import load

    folder = workspace.dataset("people")
    shutil.copytree(PEOPLE_FOLDER, folder)
    dataset = Dataset.open(folder)
    clips = [clip for clip in dataset.utterances() if clip.split == "train" and not clip.silent]
    found = transcribe(load(model), [dataset.clip_path(clip) for clip in clips])
    dataset.change({clip.id: {"text": said.text} for clip, said in zip(clips, found, strict=True) if said.text})


def second_language_readers(workspace: Workspace, model: str) -> None:
    """The dataset “others”: what `model` writes for their clips; those of the test split keep their transcripts."""
    from studio.api import transcribe
    from studio.models import load

    dataset, folder = Dataset.create(workspace.dataset("others")), speech_folder()
    assert folder is not None  # `person` has asked before
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["set"] == "speechocean"]
    sounds = [folder / row["file_name"] for row in rows]
    for number, (row, found) in enumerate(zip(rows, transcribe(load(model), sounds), strict=True)):
        split = "validation" if row["split"] == "train" and number % EVERY == 0 else row["split"]
        text = row["text"] if split != "train" else (found.text).strip()
        if text:
            dataset.add(folder / row["file_name"], text=text, split=split, source="import")


def done(workspace: Workspace, trial: Trial) -> RunFolder:
    """The run of `trial`, now or earlier."""
    from studio.train.finetune import run

    folder = RunFolder(workspace.run(trial.name))
    if folder.done.exists():
        return folder
    if trial.replay == "model" and not workspace.dataset("people").exists():
        people_by_model(workspace, trial.model)
    if trial.replay == "others" and not workspace.dataset("others").exists():
        second_language_readers(workspace, trial.model)
    if not workspace.dataset(trial.dataset).exists():
        dataset = Dataset.create(workspace.dataset(trial.dataset))
        for split, text, sound in person(trial.story, trial.clips):
            dataset.add(sound, text=text, split=split, source="import")
    folder.path.mkdir(parents=True, exist_ok=True)
    plan = config.preset(
        trial.preset,
        dataset=trial.dataset,
        model=trial.model,
        targets=trial.adapter,
        seed=trial.seed,
        threads=1,
        short_frames=trial.short_frames,
        **REPLAYS[trial.replay],
        **({"learning_rate": trial.rate} if trial.rate else {}),
    )
    for _ in run(plan, folder, workspace, resume=folder.has_begun):
        pass
    return folder


def figures(folder: RunFolder) -> tuple[float, float, float, float, float]:
    """WER as written, before and after; of other voices as spoken, before and after; their drift."""
    paths = (folder.baseline, folder.tuned, folder.general_baseline, folder.general_tuned)
    before, after, was, now = (Evaluation.model_validate_json(path.read_bytes()) for path in paths)
    return before.score.wer, after.score.wer, was.spoken.wer, now.spoken.wer, drift(was, now)


def row(workspace: Workspace, trials: Sequence[Trial]) -> str:
    """One line of the table: the same work with every seed; medians, and each run's figures."""
    folders = [done(workspace, trial) for trial in trials]
    befores, afters, was, now, drifts = zip(*map(figures, folders), strict=True)
    tuned = [Evaluation.read(folder.tuned) for folder in folders]
    quiet = " / ".join(dict.fromkeys(repr(probe.text) for found in tuned if found for probe in found.probes))
    first, median = trials[0], statistics.median
    cells = (
        first.dataset,
        first.adapter,
        first.replay,
        f"{median(befores):.1%} → {median(afters):.1%}",
        " ".join(f"{100 * after:.1f}" for after in afters),
        f"{median(was):.1%} → {median(now):.1%}",
        " ".join(f"{100 * one:.1f}" for one in now),
        f"{median(drifts):.1%}",
        quiet[:60],
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table, a row as soon as its runs are done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--story", nargs="+", default=list(STORIES), choices=STORIES)
    parser.add_argument("--replay", nargs="+", default=list(REPLAYS), choices=REPLAYS)
    parser.add_argument("--adapter", nargs="+", default=["deep"], choices=list(config.ADAPTERS))
    parser.add_argument("--preset", default="quick", choices=list(config.PRESETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--short-frames", action="store_true", help="for Whisper: learn from 5 s after each clip")
    parser.add_argument("--clips", type=int, default=MOST, help="to learn from and choose by, at most")
    parser.add_argument("--rate", type=float, help="learning rate, in place of the adapter's own")
    given = parser.parse_args()
    workspace, model = Workspace(given.workspace.resolve()), str(given.model.resolve())
    os.environ["STUDIO_WORKSPACE"] = str(workspace.root)  # where a run looks for its dataset
    print(
        "| person | adapter | replay | own WER, as written | seeds, % | others, spoken | seeds, % | drift | silence |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for story in given.story:
        for adapter in given.adapter:
            for replay in given.replay:
                trials = [
                    Trial(
                        model, story, adapter, replay, given.preset, seed, given.short_frames, given.clips, given.rate
                    )
                    for seed in given.seeds
                ]
                print(row(workspace, trials), flush=True)


if __name__ == "__main__":
    main()
