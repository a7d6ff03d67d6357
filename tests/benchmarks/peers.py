"""Other people's training loops, made to take turns with ours: after each of their steps comes one of our own."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studio.models import Clip, Recogniser, load
from tests.benchmarks.racing import Race, clock

Step = Callable[[list[int]], float]
"""One step of ours on the clips at these places; its loss."""


def race_with_trainer(recogniser: Recogniser, clips: Sequence[Clip], batches: list[list[int]], rate: float,
                      step: Step) -> Race:  # fmt: skip
    """transformers' Seq2SeqTrainer on a PeftModel: batch 1, gradients of a whole step added up."""
    import torch
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

    race = Race()
    rows = [features_of(recogniser, clip) for clip in clips]

    class Turns(TrainerCallback):  # type: ignore[misc]
        began = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.began = clock()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            race.peer.append(clock() - self.began)
            race.peer_losses.append(trainer.nats)
            trainer.nats = 0.0
            _take_turn(race, step, batches[state.global_step - 1])
            self.began = clock()

    class InOrder(Seq2SeqTrainer):  # type: ignore[misc]
        nats = 0.0  # of the step so far

        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

        def training_step(self, *given: Any, **named: Any) -> Any:
            loss = super().training_step(*given, **named)
            self.nats += loss.item()
            return loss

    with tempfile.TemporaryDirectory() as folder:
        arguments = Seq2SeqTrainingArguments(
            output_dir=folder, per_device_train_batch_size=1, gradient_accumulation_steps=len(batches[0]),
            max_steps=len(batches), learning_rate=rate, lr_scheduler_type="constant", weight_decay=0.0,
            save_strategy="no", logging_strategy="no", report_to=[], remove_unused_columns=False, disable_tqdm=True,
            use_cpu=True, dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = InOrder(
            model=recogniser.model, args=arguments, train_dataset=[rows[place] for batch in batches for place in batch],
            data_collator=lambda few: {name: few[0][name][None] for name in few[0]}, callbacks=[Turns()],
        )  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train()
    return race


def race_with_makers(recogniser: Recogniser, clips: Sequence[Clip], steps: int, rate: float, step: Step) -> Race:
    """The makers' own loop, `moonshine_voice.lora.train.fit_adapter`: batch 8, no replay, no dev set.

    `step` is given the clips of their step before. Raises ImportError where the package is not installed.
    """
    from moonshine_voice.lora import train as makers

    race, entries, blob = Race(), *_cached(recogniser, clips)
    places: list[int] = []
    began = clock()
    collate, batch_loss = makers.collate, makers.batch_loss

    def watched_collate(entries: Any, blob: Any, indices: list[int], device: str) -> Any:
        nonlocal began
        if places:  # the step before is whole
            race.peer.append(clock() - began)
            _take_turn(race, step, places)
            began = clock()
        places[:] = indices
        return collate(entries, blob, indices, device)

    def watched_loss(*given: Any) -> Any:
        loss = batch_loss(*given)
        race.peer_losses.append(loss.item())
        return loss

    makers.collate, makers.batch_loss = watched_collate, watched_loss
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            began = clock()
            makers.fit_adapter(
                "random", recogniser.processor, {"entries": entries}, blob, train_hours=None, dev_hours=0.0,
                replay_ratio=0.0, lr=rate, max_steps=steps + 1, eval_every=10**9, warmup=1, device="cpu",
                model=recogniser.model,
            )  # fmt: skip
    finally:
        makers.collate, makers.batch_loss = collate, batch_loss
    del race.peer_losses[len(race.our_losses) :]
    return race


def _take_turn(race: Race, step: Step, places: list[int]) -> None:
    began = clock()
    race.our_losses.append(step(list(places)))
    race.ours.append(clock() - began)


def as_transformers_loads(folder: Path | str) -> Recogniser:
    """The model in `folder` with PyTorch's own linear layers; Moonshine's heads stay unpadded, which helps the peer."""
    from torch.nn import Linear

    from studio.models.kernels.linear import FastLinear

    recogniser = load(folder, "cpu")
    for layer in recogniser.model.modules():
        if type(layer) is FastLinear:
            layer.__class__ = Linear
    return recogniser


def features_of(recogniser: Recogniser, clip: Clip) -> dict[str, Any]:
    """One clip as the processor gives it, and its labels: the text and its end."""
    import torch

    given = recogniser.processor.feature_extractor(clip.samples, sampling_rate=16_000, return_tensors="pt")
    ids = recogniser.processor.tokenizer(clip.text, add_special_tokens=False).input_ids
    features = {name: tensor[0] for name, tensor in given.items()}
    return features | {"labels": torch.tensor([*ids, recogniser.processor.tokenizer.eos_token_id])}


def _cached(recogniser: Recogniser, clips: Sequence[Clip]) -> tuple[list[dict[str, Any]], Any]:
    """What the makers' `build_cache` gives: an index and all samples end to end, 16 bits each."""
    from moonshine_voice.lora.train import encode_text

    entries, offset = [], 0
    for clip in clips:
        tokens = encode_text(recogniser.processor, clip.text)
        entries.append({"offset": offset, "samples": len(clip.samples), "tokens": tokens})
        offset += len(clip.samples)
    samples = np.concatenate([clip.samples for clip in clips])
    return entries, np.round(samples * 32_768).astype(np.int16)


def share_down(recogniser: Recogniser, rank: int = 8) -> None:
    """Let q, k and v of a layer share their adapter's first matrix, as the makers' do, and begin where theirs begin.

    Restates `moonshine_voice.lora.adapter.add_lora` with seed 0.
    """
    import torch

    random = torch.Generator().manual_seed(0)
    for layer in recogniser.model.get_base_model().model.decoder.layers:
        block = layer.self_attn
        down = torch.empty(rank, block.q_proj.in_features)
        torch.nn.init.kaiming_uniform_(down, a=5**0.5, generator=random)
        block.q_proj.lora_A["default"].weight.data.copy_(down)
        for part in (block.k_proj, block.v_proj):
            part.lora_A["default"].weight = block.q_proj.lora_A["default"].weight
