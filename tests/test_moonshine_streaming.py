"""Moonshine streaming, at the true architecture with random weights: windows, masks and in-place positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from tiny_models import TEXTS, noise

from studio.errors import DataError
from studio.inference.compare import transcribe_each
from studio.inference.transcribe import transcribe
from studio.models import Clip, Recogniser, load
from studio.models.adapters import attach, trainable

CLIPS = [Clip(noise(seconds, seed), TEXTS[seed]) for seed, seconds in enumerate((1.0, 0.613, 2.3, 1.7))]
FRAME = 80  # samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.moonshine_streaming(tmp_path_factory.mktemp("streaming"))


@pytest.fixture
def recogniser(folder: Path) -> Recogniser:
    return load(folder, "cpu")


def features(recogniser: Recogniser, clip: Clip) -> Any:
    return recogniser.processor.feature_extractor(
        clip.samples, sampling_rate=16_000, return_tensors="pt", padding=True, pad_to_multiple_of=FRAME,
        return_attention_mask=True,
    )  # fmt: skip


def row(recogniser: Recogniser, clip: Clip) -> Any:
    return recogniser.family.prepare(recogniser.model, recogniser.processor, clip)


def loss(recogniser: Recogniser, rows: list[Any]) -> tuple[float, int]:
    total, count = recogniser.family.loss(recogniser.model, recogniser.family.collate(rows))
    return total.item(), int(count)


def disturbed(recogniser: Recogniser, targets: str) -> Recogniser:
    import torch

    recogniser = attach(recogniser, 4, 8, 0.0, targets, seed=0)
    torch.manual_seed(3)
    for parameter in trainable(recogniser):
        torch.nn.init.normal_(parameter, std=0.1)
    return recogniser


def test_a_missing_start_token_is_filled_in(recogniser: Recogniser) -> None:
    """The class's default is None, with which training crashes."""
    assert recogniser.model.config.decoder_start_token_id == recogniser.model.config.bos_token_id == 1
    assert row(recogniser, CLIPS[0])["inputs"][0] == 1


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: f"{len(clip.samples)} samples")
def test_one_clip_has_the_loss_of_transformers_own_forward(recogniser: Recogniser, clip: Clip) -> None:
    import torch

    prepared = row(recogniser, clip)
    with torch.no_grad():
        theirs = recogniser.model(**features(recogniser, clip), labels=prepared["labels"][None]).loss.item()
    total, count = loss(recogniser, [prepared])
    assert total / count == pytest.approx(theirs, abs=1e-5)


def test_the_windows_are_kept_although_a_single_clip_has_no_padding(recogniser: Recogniser) -> None:
    """Without a mask transformers lets every frame hear every other; with ours a late sound changes no early frame."""
    early = CLIPS[2]
    later = Clip(np.concatenate([early.samples[:-8000], noise(0.5, seed=9)]))
    first, second = (row(recogniser, clip)["memory"] for clip in (early, later))
    changed = (first - second).abs().amax(-1) > 1e-5
    assert changed[-25:].any()
    assert not changed[:50].any()  # 65 frames before the change; the windows look 8 frames ahead in all


@pytest.mark.parametrize("targets", ["attention", "voice"])
def test_a_padded_batch_has_the_loss_and_the_gradients_of_its_clips(recogniser: Recogniser, targets: str) -> None:
    adapted = disturbed(recogniser, targets)
    rows, parameters = [row(adapted, clip) for clip in CLIPS], trainable(adapted)

    def gradients(batches: list[list[Any]]) -> tuple[float, list[Any]]:
        adapted.model.zero_grad()
        totals = [adapted.family.loss(adapted.model, adapted.family.collate(batch)) for batch in batches]
        for total, _ in totals:
            total.backward()
        return sum(total.item() / 28 for total, _ in totals), [parameter.grad.clone() for parameter in parameters]

    (together, batch_gradients), (alone, summed) = gradients([rows]), gradients([[prepared] for prepared in rows])
    assert together == pytest.approx(alone, abs=1e-5)
    assert all(gradient.abs().max() > 0 for gradient in summed)
    for batch_gradient, gradient in zip(batch_gradients, summed, strict=True):
        assert (batch_gradient - gradient).abs().max() <= 1e-4 * gradient.abs().max()


def test_a_kept_encoder_output_is_not_changed_by_using_it(recogniser: Recogniser) -> None:
    """The decoder adds its positions in place: without a copy the second step would hear something else."""
    prepared = row(recogniser, CLIPS[0])
    kept = prepared["memory"].clone()
    batch = recogniser.family.collate([prepared])
    first = recogniser.family.loss(recogniser.model, batch)[0].item()
    assert recogniser.family.loss(recogniser.model, batch)[0].item() == first
    assert prepared["memory"].equal(kept)
    assert batch["memory"][0].equal(kept)


def test_our_decoding_writes_what_generate_writes(recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(recogniser.family), "most_tokens", lambda *_: 15)
    for clip in CLIPS:
        theirs = recogniser.model.generate(
            **features(recogniser, clip), max_new_tokens=15, do_sample=False, num_beams=1
        )
        text = recogniser.processor.tokenizer.decode(theirs[0], skip_special_tokens=True).strip()
        assert recogniser.family.transcribe(recogniser.model, recogniser.processor, clip).text == text


@pytest.mark.thorough
def test_a_batch_reads_as_its_clips_one_by_one(recogniser: Recogniser) -> None:
    alone = [transcribe(recogniser, [clip])[0] for clip in CLIPS]
    assert len({hypothesis.text for hypothesis in alone}) > 1
    together = transcribe(recogniser, CLIPS)
    assert [hypothesis.text for hypothesis in alone] == [hypothesis.text for hypothesis in together]


def test_before_and_after_differ_and_before_is_the_base(recogniser: Recogniser) -> None:
    base = transcribe(recogniser, [CLIPS[2]])[0].text
    before, after = (reading.plain for reading in transcribe_each(disturbed(recogniser, "conventions"), CLIPS[2]))
    assert before.text == base != after.text


def test_a_rest_of_a_frame_at_the_end_does_no_harm(recogniser: Recogniser) -> None:
    whole = row(recogniser, Clip(CLIPS[0].samples[: 80 * 150]))
    rest = row(recogniser, Clip(CLIPS[0].samples[: 80 * 150 + 37]))
    assert rest["memory"][: len(whole["memory"]) - 4].allclose(whole["memory"][:-4], atol=1e-5)


@pytest.mark.parametrize("seconds", [0.004, 82.0])
def test_clips_beyond_the_bounds_are_refused_in_words(recogniser: Recogniser, seconds: float) -> None:
    with pytest.raises(DataError, match="s of audio"):
        row(recogniser, Clip(np.zeros(int(seconds * 16_000), np.float32)))


def test_the_shortest_and_the_longest_clip_pass(recogniser: Recogniser) -> None:
    assert len(row(recogniser, Clip(noise(FRAME / 16_000)))["memory"]) >= 1
    assert len(row(recogniser, Clip(noise(81.92)))["memory"]) == 4096


@pytest.mark.parametrize("tied", [True, pytest.param(False, marks=pytest.mark.thorough)])
def test_an_adapter_everywhere_trains_in_bf16_and_fp32(tmp_path: Path, tied: bool) -> None:
    folder = tiny_models.moonshine_streaming(tmp_path, tie_word_embeddings=tied)
    for precision in ("fp32", "bf16"):
        adapted = disturbed(load(folder, "cpu", precision), "all")
        prepared = row(adapted, CLIPS[0])
        adapted.family.loss(adapted.model, adapted.family.collate([prepared]))[0].backward()
        assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trainable(adapted))
