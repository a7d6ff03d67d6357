"""The whole Quick run on 50 clips, from Start to the tuned WER.

    python -m tests.benchmarks.quick [--turns N] [--adapter full deep voice conventions] [--model FOLDER]

With the starter, or with the real model in FOLDER, then on a person's digits of the shared speech (`STUDIO_SPEECH`).

Ours is what the Start button does: load, encode, score the base model, train with replay and validation, write, score.
Beside it the same is done as a script with transformers does it: Seq2SeqTrainer with peft (batch 1 x 8, for a padded
batch would change what Moonshine hears), the same clips in the same order, the loss of the validation clips by the
Trainer, and its pipeline, greedy, wherever texts are scored: as often as ours, on the same clips.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from studio.config import ADAPTERS, STARTER, TrainConfig, preset
from studio.data.manifest import Dataset
from studio.evaluation.evaluate import Evaluation
from studio.evaluation.hypotheses import read_clip
from studio.models import Clip, Recogniser, adapters
from studio.models.encoder_decoder import base_of
from studio.runs.folder import RunFolder
from studio.starter import UNHEARD_FOLDER
from studio.text import digits_to_words
from studio.text.metrics import score
from studio.train import clips as chosen_clips
from studio.train import general
from studio.train.batches import clips_of_step
from studio.workspace import Workspace
from tests.benchmarks.peers import as_transformers_loads, features_of
from tests.benchmarks.racing import HEADER, alternate, on_one_thread
from tests.benchmarks.real import person
from tests.benchmarks.transcribing import pipeline_of, read_by

SIDES = ("train",) * 34 + ("validation",) * 6 + ("test",) * 10
Sides = dict[str, list[Clip]]


def recorded(workspace: Workspace, model: str) -> None:
    """Fifty clips of a person, or bundled ones of a voice that the starter never heard, with numbers as words."""
    dataset = Dataset.create(workspace.dataset("quick"))
    if model != STARTER:
        add_person(dataset, "theo")
        return
    bundled = Dataset.open(UNHEARD_FOLDER)
    for side, clip in zip(SIDES, bundled.utterances(), strict=False):
        dataset.add(bundled.clip_path(clip), text=digits_to_words(clip.text), prompt=clip.text, split=side)  # type: ignore[arg-type]


def add_person(dataset: Dataset, who: str) -> None:
    """Fifty clips of one of the people whose digits `real` trains on."""
    for side, (_, text, sound) in zip(SIDES, person(who), strict=False):
        dataset.add(sound, text=text, split=side, source="import")  # type: ignore[arg-type]


class Runs:
    """Both ways, each time from the start, and the tuned WER of each."""

    def __init__(self, root: Path, model: str, adapter: str, turns: int) -> None:
        """With what was recorded before Start in as many workspaces, so that nothing was computed in any of them."""
        self.config = preset("quick", dataset="quick", model=model, targets=adapter, threads=1)
        self.workspaces = [Workspace(root / f"{number}") for number in range(2 * turns)]
        for workspace in self.workspaces:
            recorded(workspace, model)
        self.ours_wer = self.peer_wer = 1.0

    def ours(self) -> None:
        """As the Start button does it."""
        from studio.train.finetune import run

        workspace = self.workspaces.pop()
        os.environ["STUDIO_WORKSPACE"] = str(workspace.root)
        folder = RunFolder(workspace.run("quick"))
        folder.path.mkdir(parents=True)
        for _ in run(self.config, folder, workspace):
            pass
        after = Evaluation.read(folder.tuned)
        assert after is not None
        self.ours_wer = after.score.wer

    def peer(self) -> None:
        """By Trainer and pipeline."""
        workspace = self.workspaces.pop()
        dataset = Dataset.open(workspace.dataset("quick"))
        splits, _ = chosen_clips.choose(dataset)
        others = general.choose(self.config, splits, workspace)
        assert others is not None
        own = _heard(dataset, splits)
        self.peer_wer = _by_trainer(self.config, own, _heard(others.dataset, others.splits), workspace.root)


def _heard(dataset: Dataset, splits: chosen_clips.Splits) -> Sides:
    return {side: [read_clip(dataset, clip, 16_000) for clip in found] for side, found in splits.items()}


def _by_trainer(config: TrainConfig, own: Sides, known: Sides, folder: Path) -> float:
    adapted = adapters.attach(
        as_transformers_loads(config.model), config.rank, config.alpha, config.dropout, config.targets, config.seed
    )
    base = Recogniser(adapted.family, base_of(adapted.model), adapted.processor, config.model, folder, "cpu", "fp32")
    wer = partial(_wer, pipeline_of(base), base)
    with adapted.model.disable_adapter():
        wer(own["test"] + known["test"])
    validation = own["validation"] + known["validation"]
    rows = [features_of(adapted, clip) for clip in own["train"] + known["train"]]
    order = [rows[place] for place in _order(config, len(own["train"]), len(known["train"]))]
    wer(validation)
    held_out = [features_of(adapted, clip) for clip in validation]
    _trained(adapted, config, order, held_out, folder, partial(wer, validation))
    wer(known["test"])
    return wer(own["test"])


def _order(config: TrainConfig, clips: int, replayed: int) -> Iterator[int]:
    for step in range(1, config.max_steps + 1):
        for part in clips_of_step(step, clips, config, replayed):
            yield from part


def _wer(pipe: Any, base: Recogniser, clips: Sequence[Clip]) -> float:
    tokens = partial(base.family.most_tokens, base.model)  # type: ignore[attr-defined]
    base.model.eval()
    texts = read_by(pipe, clips, tokens, num_beams=1)
    return score([clip.text for clip in clips], texts).wer


def _trained(adapted: Recogniser, config: TrainConfig, rows: Any, validation: Any, folder: Path, wer: Any) -> None:
    import torch
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

    class Scores(TrainerCallback):  # type: ignore[misc]
        def on_evaluate(self, *_: Any, **__: Any) -> None:
            wer()

    class InOrder(Seq2SeqTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    arguments = Seq2SeqTrainingArguments(
        output_dir=str(folder), per_device_train_batch_size=1, per_device_eval_batch_size=1,
        gradient_accumulation_steps=config.batch_size, max_steps=config.max_steps, learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps, weight_decay=0.0, eval_strategy="steps", eval_steps=config.eval_every,
        prediction_loss_only=True, save_strategy="no", logging_strategy="no", report_to=[], disable_tqdm=True,
        remove_unused_columns=False, use_cpu=True, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = InOrder(
        model=adapted.model, args=arguments, train_dataset=rows, eval_dataset=validation, callbacks=[Scores()],
        data_collator=lambda few: {name: few[0][name][None] for name in few[0]},
    )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()


def _import_everything(model: str) -> None:
    """Import what both sides need, which takes whoever begins up to ten seconds."""
    import transformers

    from studio.train import finetune

    assert transformers.Seq2SeqTrainer
    assert finetune.run
    adapters.attach(as_transformers_loads(model), 8, 16.0, 0.0, "deep", 0)


def main() -> None:
    """Print a line for each adapter, and both word error rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--adapter", nargs="+", default=[preset("quick", dataset="quick").targets], choices=ADAPTERS)
    parser.add_argument("--model", default=STARTER)
    given = parser.parse_args()
    on_one_thread()
    _import_everything(given.model)
    print(HEADER.removesuffix("losses apart"), flush=True)
    for adapter in given.adapter:
        with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
            runs = Runs(Path(folder), given.model, adapter, given.turns)
            race = alternate(runs.ours, runs.peer, given.turns)
        print(f"{Path(given.model).name}, Quick, {adapter}, 50 clips / Trainer".ljust(44) + race.as_text())
        print(
            f"    tuned WER: ours {runs.ours_wer:.1%}, theirs {runs.peer_wer:.1%} (ours keeps the best step)",
            flush=True,
        )


if __name__ == "__main__":
    main()
