"""Moonshine, the first version: our restated encoder is transformers', and a padded batch is exactly its clips."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from tiny_models import TEXTS, noise

from studio.audio import read
from studio.errors import ConfigError, DataError, ModelError
from studio.inference.transcribe import transcribe
from studio.models import Clip, Recogniser, load, locate
from studio.models.adapters import attach, trainable
from studio.models.greedy import Written
from studio.models.memory import recompute_activations
from studio.starter import GENERAL_FOLDER
from studio.text.metrics import score

CLIPS = [Clip(noise(seconds, seed), TEXTS[seed]) for seed, seconds in enumerate((1.0, 0.613, 2.3, 1.7))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.moonshine(tmp_path_factory.mktemp("v1"))


@pytest.fixture(params=["pad is eos", "normalised", "starter"])
def recogniser(request: pytest.FixtureRequest, tmp_path: Path, folder: Path) -> Iterator[Recogniser]:
    """The Hub's settings, the starter's settings, and the starter itself where it was built."""
    if request.param == "starter":
        if not (locate("starter") / "model.safetensors").is_file():
            pytest.skip("the starter's weights are not in the package")
        yield load("starter", "cpu")
    elif request.param == "normalised":
        yield load(tiny_models.moonshine(tmp_path / "n", do_normalize=True, pad_token_id=3), "cpu")
    else:
        yield load(folder, "cpu")


def features(recogniser: Recogniser, clip: Clip) -> Any:
    return recogniser.processor.feature_extractor(clip.samples, sampling_rate=16_000, return_tensors="pt")


def row(recogniser: Recogniser, clip: Clip) -> Any:
    return recogniser.family.prepare(recogniser.model, recogniser.processor, clip)


def loss(recogniser: Recogniser, rows: list[Any]) -> tuple[float, int]:
    total, count = recogniser.family.loss(recogniser.model, recogniser.family.collate(rows))
    return total.item(), int(count)


def disturbed(recogniser: Recogniser, targets: str, dropout: float = 0.0) -> Recogniser:
    """`recogniser` with an adapter that pretends to be trained."""
    import torch

    recogniser = attach(recogniser, 4, 8, dropout, targets, seed=0)
    torch.manual_seed(3)
    for parameter in trainable(recogniser):
        torch.nn.init.normal_(parameter, std=0.1)
    return recogniser


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: f"{len(clip.samples)} samples")
def test_one_clip_has_the_loss_of_transformers_own_forward(recogniser: Recogniser, clip: Clip) -> None:
    """Should transformers change its encoder, this fails first."""
    import torch

    prepared = row(recogniser, clip)
    with torch.no_grad():
        theirs = recogniser.model(**features(recogniser, clip), labels=prepared["labels"][None]).loss.item()
    total, count = loss(recogniser, [prepared])
    assert total / count == pytest.approx(theirs, abs=1e-5)


def test_labels_are_the_text_and_its_end_without_a_start(recogniser: Recogniser) -> None:
    prepared = row(recogniser, CLIPS[0])
    labels, inputs = prepared["labels"].tolist(), prepared["inputs"].tolist()
    assert labels[-1] == recogniser.model.config.eos_token_id
    assert inputs == [recogniser.model.config.decoder_start_token_id, *labels[:-1]]
    assert recogniser.processor.tokenizer.decode(labels[:-1]) == CLIPS[0].text


@pytest.mark.parametrize("targets", ["attention", "voice"])
def test_a_padded_batch_has_the_loss_of_its_clips(recogniser: Recogniser, targets: str) -> None:
    adapted = disturbed(recogniser, targets)
    rows = [row(adapted, clip) for clip in CLIPS]
    alone = [loss(adapted, [prepared]) for prepared in rows]
    together = loss(adapted, rows)
    assert together[1] == sum(count for _, count in alone)
    assert together[0] / together[1] == pytest.approx(sum(total for total, _ in alone) / together[1], abs=1e-5)


@pytest.mark.parametrize("targets", ["attention", "voice"])
def test_a_padded_batch_has_the_gradients_of_its_clips(recogniser: Recogniser, targets: str) -> None:
    adapted = disturbed(recogniser, targets)
    family, parameters = adapted.family, trainable(adapted)
    rows = [row(adapted, clip) for clip in CLIPS]

    def gradients(batches: list[list[Any]]) -> list[Any]:
        adapted.model.zero_grad()
        for batch in batches:
            family.loss(adapted.model, family.collate(batch))[0].backward()
        return [parameter.grad.clone() for parameter in parameters]

    together, alone = gradients([rows]), gradients([[prepared] for prepared in rows])
    assert all(gradient.abs().max() > 0 for gradient in together)
    for batch_gradient, sum_of_gradients in zip(together, alone, strict=True):
        scale = sum_of_gradients.abs().max()
        assert (batch_gradient - sum_of_gradients).abs().max() <= 1e-4 * scale


def test_the_encoder_is_kept_where_no_adapter_reaches_it_and_nothing_changes(folder: Path) -> None:
    decoder_only = disturbed(load(folder, "cpu"), "voice")
    prepared = row(decoder_only, CLIPS[2])
    assert {"memory"} == prepared.keys() & {"stem", "memory"}
    everywhere = row(attach(load(folder, "cpu"), 4, 8, 0.0, "attention", seed=0), CLIPS[2])
    assert {"stem"} == everywhere.keys() & {"stem", "memory"}
    assert loss(decoder_only, [prepared]) == loss(decoder_only, [everywhere])


def test_gradient_checkpointing_changes_no_gradient(folder: Path) -> None:
    adapted = disturbed(load(folder, "cpu"), "all")
    family, rows = adapted.family, [row(adapted, clip) for clip in CLIPS]
    adapted.model.train()

    def gradients() -> list[Any]:
        adapted.model.zero_grad()
        family.loss(adapted.model, family.collate(rows))[0].backward()
        return [parameter.grad.clone() for parameter in trainable(adapted)]

    plain = gradients()
    recompute_activations(adapted)
    assert adapted.model.get_base_model().model.encoder.layers[0].gradient_checkpointing
    assert all(first.allclose(second, atol=1e-6) for first, second in zip(plain, gradients(), strict=True))


def test_a_network_that_cannot_recompute_says_so() -> None:
    with pytest.raises(ConfigError, match="cannot recompute"):
        recompute_activations(load("echo", "cpu"))


def test_our_decoding_writes_what_generate_writes(recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(recogniser.family), "most_tokens", lambda *_: 15)
    for clip in CLIPS:
        theirs = recogniser.model.generate(
            **features(recogniser, clip), max_new_tokens=15, do_sample=False, num_beams=1
        )
        text = recogniser.processor.tokenizer.decode(theirs[0], skip_special_tokens=True).strip()
        assert recogniser.family.transcribe(recogniser.model, recogniser.processor, clip).text == text


def test_a_batch_reads_as_its_clips_one_by_one(recogniser: Recogniser) -> None:
    alone = [transcribe(recogniser, [clip])[0] for clip in CLIPS]
    together = transcribe(recogniser, CLIPS)
    assert [hypothesis.text for hypothesis in alone] == [hypothesis.text for hypothesis in together]
    for one, other in zip(alone, together, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


def test_a_row_ends_at_its_end_token_or_its_limit_and_keeps_only_its_text() -> None:
    ended, cut = Written(), Written()
    for token in (7, 8, 2, 9):
        ended.take(token, 0.5, limit=9, ends=[2])
        cut.take(token, 0.5, limit=2, ends=[2])
    assert (ended.ids, len(ended.chances)) == ([7, 8], 3)
    assert (cut.ids, len(cut.chances)) == ([7, 8], 2)
    assert ended.confidence == cut.confidence == 0.5


def test_reading_leaves_a_model_in_training_in_its_mode(folder: Path) -> None:
    adapted = disturbed(load(folder, "cpu"), "attention", dropout=0.5)
    read = transcribe(adapted, CLIPS[:1])[0]
    adapted.model.train()
    again = transcribe(adapted, CLIPS[:1])[0]
    assert (again.text, again.confidence) == (read.text, read.confidence)
    assert adapted.model.training


def test_partial_texts_end_with_the_whole(folder: Path) -> None:
    recogniser, seen = load(folder, "cpu"), list[str]()
    whole = recogniser.family.transcribe(recogniser.model, recogniser.processor, CLIPS[2], seen.append)
    assert seen[-1] == whole.text
    assert len(seen) > 1
    assert 0 < (whole.confidence or 0) <= 1


def test_a_loop_ends_at_the_limit_and_fast_digits_fit_below_it(folder: Path) -> None:
    recogniser = load(folder, "cpu")
    clip = replace(CLIPS[2], samples=noise(2.5))
    limit = recogniser.family.most_tokens(recogniser.model, clip)  # type: ignore[attr-defined]
    needed = len(recogniser.processor.tokenizer("order number 1296803", add_special_tokens=False).input_ids) + 1
    assert needed <= limit <= 50
    recogniser.model.config.vocab_size = 32_768  # a large vocabulary: the makers' 6.5 tokens a second
    assert recogniser.family.most_tokens(recogniser.model, clip) == 17  # type: ignore[attr-defined]


def test_the_processor_decides_about_loudness(folder: Path, tmp_path: Path) -> None:
    normalised = load(tiny_models.moonshine(tmp_path, do_normalize=True), "cpu")
    quiet = Clip(CLIPS[0].samples * np.float32(0.1), CLIPS[0].text)
    assert row(normalised, quiet)["memory"].allclose(row(normalised, CLIPS[0])["memory"], atol=1e-2)
    plain = load(folder, "cpu")
    assert not row(plain, quiet)["memory"].allclose(row(plain, CLIPS[0])["memory"], atol=1e-2)


@pytest.mark.parametrize("seconds", [894 / 16_000, 30.1])
def test_clips_beyond_the_bounds_are_refused_in_words(folder: Path, seconds: float) -> None:
    recogniser = load(folder, "cpu")
    clip = Clip(np.zeros(int(seconds * 16_000), np.float32), id="a1")
    for act in (lambda: row(recogniser, clip), lambda: transcribe(recogniser, [clip])):
        with pytest.raises(DataError, match=r"Clip a1 has .* s of audio"):
            act()


def test_the_shortest_clip_passes(folder: Path) -> None:
    recogniser = load(folder, "cpu")
    assert len(row(recogniser, Clip(noise(895 / 16_000)))["memory"]) == 1


def test_bf16_trains_and_reads(folder: Path) -> None:
    adapted = disturbed(load(folder, "cpu", "bf16"), "attention")
    prepared = row(adapted, CLIPS[0])
    adapted.family.loss(adapted.model, adapted.family.collate([prepared]))[0].backward()
    assert all(parameter.grad is not None for parameter in trainable(adapted))
    assert transcribe(adapted, CLIPS[:1])


def test_a_folder_without_weights_or_with_pickled_ones_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.name != "model.safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match=r"no weights: model\.safetensors is missing"):
        load(tmp_path, "cpu")
    (tmp_path / "pytorch_model.bin").write_bytes(b"code")
    with pytest.raises(ModelError, match="can run code"):
        load(tmp_path, "cpu")


def test_torn_or_foreign_weights_are_a_sentence(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-1000])
    with pytest.raises(ModelError, match=re.escape(str(tmp_path))):
        load(tmp_path, "cpu")
    (tmp_path / "model.safetensors").write_bytes(whole)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"hidden_size": 64', '"hidden_size": 32'))
    with pytest.raises(ModelError):
        load(tmp_path, "cpu")
    more_layers = config.replace('"encoder_num_hidden_layers": 2', '"encoder_num_hidden_layers": 3')
    (tmp_path / "config.json").write_text(more_layers)
    with pytest.raises(ModelError, match=r"asks for \d layers, and the weights have"):
        load(tmp_path, "cpu")


def test_a_folder_without_processor_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ModelError, match="holds no processor"):
        load(tmp_path, "cpu")


def test_real_speech_reads_alike_singly_together_and_by_generate() -> None:
    """With a trained model texts end by themselves, and differ."""
    if not (locate("starter") / "model.safetensors").is_file():
        pytest.skip("the starter's weights are not in the package")
    rows = [json.loads(line) for line in (GENERAL_FOLDER / "manifest.jsonl").read_text().splitlines()[:8]]
    starter = load("starter", "cpu")
    clips = [Clip(read(GENERAL_FOLDER / entry["audio_filepath"], 16_000).samples, entry["text"]) for entry in rows]
    alone = [hypothesis.text for hypothesis in [transcribe(starter, [clip])[0] for clip in clips]]
    assert [hypothesis.text for hypothesis in transcribe(starter, clips)] == alone
    generated = [
        starter.model.generate(**features(starter, clip), max_new_tokens=60, do_sample=False)[0] for clip in clips
    ]
    decode = starter.processor.tokenizer.decode
    assert [decode(tokens, skip_special_tokens=True).strip() for tokens in generated] == alone
    assert score([clip.text for clip in clips], alone).cer < 0.3
