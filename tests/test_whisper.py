"""Whisper, at the true architecture with random weights: prompts, forbidden tokens, a frame of 30 s, adapters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from tiny_models import TEXTS, noise
from tones import config, folder_of, run_until, tones, train

from studio.audio import write_wav
from studio.data.manifest import Dataset
from studio.errors import ConfigError, DataError, ModelError
from studio.export.merged import merge
from studio.inference.compare import transcribe_each
from studio.inference.transcribe import transcribe
from studio.models import Clip, Recogniser, before_start, catalogue, load
from studio.models import encoder_decoder as shared
from studio.models.adapters import attach, save, trainable
from studio.models.frames import with_short_frames
from studio.models.greedy import greedy
from studio.models.memory import recompute_activations
from studio.runs.events import CheckpointSaved, Evaluated, Finished, Started, StepDone

CLIPS = [Clip(noise(seconds, seed), TEXTS[seed]) for seed, seconds in enumerate((1.0, 0.613, 2.3))]
LAYERS = {"conventions": 2 * 3, "voice": 2 * 8, "deep": 2 * 8 + 2 * 4, "full": 2 * 10 + 2 * 6}


@pytest.fixture(scope="module", params=[pytest.param("english", marks=pytest.mark.thorough), "multilingual"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.whisper(tmp_path_factory.mktemp(request.param), multilingual=request.param == "multilingual")


@pytest.fixture
def recogniser(folder: Path) -> Recogniser:
    return load(folder, "cpu")


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.whisper(tmp_path_factory.mktemp("en"))


def with_settings(folder: Path, new: Path, **changes: Any) -> Path:
    """A copy of the model in `folder` with another generation config."""
    for path in folder.iterdir():
        (new / path.name).write_bytes(path.read_bytes())
    settings = json.loads((folder / "generation_config.json").read_text())
    (new / "generation_config.json").write_text(json.dumps(settings | changes))
    return new


def features(recogniser: Recogniser, clip: Clip) -> Any:
    return recogniser.processor.feature_extractor(clip.samples, sampling_rate=16_000, return_tensors="pt")


def row(recogniser: Recogniser, clip: Clip) -> Any:
    return recogniser.family.prepare(recogniser.model, recogniser.processor, clip)


def loss(recogniser: Recogniser, rows: list[Any]) -> tuple[float, int]:
    total, count = recogniser.family.loss(recogniser.model, recogniser.family.collate(rows))
    return total.item(), int(count)


def disturbed(recogniser: Recogniser, targets: str) -> Recogniser:
    """`recogniser` with an adapter that pretends to be trained."""
    import torch

    recogniser = attach(recogniser, 4, 8, 0.0, targets, seed=0)
    torch.manual_seed(3)
    for parameter in trainable(recogniser):
        torch.nn.init.normal_(parameter, std=0.1)
    return recogniser


def gradients(recogniser: Recogniser, batches: list[list[Any]]) -> list[Any]:
    recogniser.model.zero_grad()
    for batch in batches:
        recogniser.family.loss(recogniser.model, recogniser.family.collate(batch))[0].backward()
    return [parameter.grad.clone() for parameter in trainable(recogniser)]


def test_the_prompt_is_the_checkpoints_own_and_no_loss_is_taken_on_it(recogniser: Recogniser) -> None:
    prepared, tokenizer = row(recogniser, CLIPS[0]), recogniser.processor.tokenizer
    is_multilingual = recogniser.model.generation_config.is_multilingual
    prompt = "<|startoftranscript|><|en|><|transcribe|><|notimestamps|>"
    prompt = prompt if is_multilingual else "<|startoftranscript|><|notimestamps|>"
    assert tokenizer.decode(prepared["inputs"]) == f"{prompt} {CLIPS[0].text}"  # after a space, as Whisper writes
    counted = prepared["labels"][prepared["labels"] != shared.IGNORED]
    assert tokenizer.decode(counted) == f" {CLIPS[0].text}<|endoftext|>"
    assert len(prepared["labels"]) == len(prepared["inputs"])


@pytest.mark.parametrize("language", ["de", "German", "<|de|>"])
def test_the_generation_config_chooses_the_language(language: str, folder: Path, tmp_path: Path) -> None:
    there = with_settings(folder, tmp_path, language=language, task="translate")
    inputs = row(load(there, "cpu"), CLIPS[0])["inputs"]
    is_multilingual = "multilingual" in str(folder)
    written = load(there, "cpu").processor.tokenizer.decode(inputs)
    assert ("<|de|><|translate|>" in written) == is_multilingual


def test_a_language_that_the_model_does_not_know_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    there = with_settings(tiny_models.whisper(tmp_path / "m", multilingual=True), tmp_path / "new", language="fr")
    with pytest.raises(ModelError, match="cannot transcribe the language “fr”"):
        load(there, "cpu")


def test_the_loss_is_that_of_transformers_own_forward(recogniser: Recogniser) -> None:
    import torch

    for clip in CLIPS:
        prepared = row(recogniser, clip)
        with torch.no_grad():
            theirs = recogniser.model(
                **features(recogniser, clip),
                decoder_input_ids=prepared["inputs"][None],
                labels=prepared["labels"][None],
            ).loss.item()
        total, count = loss(recogniser, [prepared])
        assert total / count == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("targets", ["deep", "voice"])
def test_a_padded_batch_has_the_loss_and_the_gradients_of_its_clips(english: Path, targets: str) -> None:
    adapted = disturbed(load(english, "cpu"), targets)
    rows = [row(adapted, clip) for clip in CLIPS]
    alone, together = [loss(adapted, [prepared]) for prepared in rows], loss(adapted, rows)
    assert together[1] == sum(count for _, count in alone)
    assert together[0] == pytest.approx(sum(total for total, _ in alone), rel=1e-5)
    summed = gradients(adapted, [[prepared] for prepared in rows])
    for batch_gradient, gradient in zip(gradients(adapted, [rows]), summed, strict=True):
        assert gradient.abs().max() > 0
        assert (batch_gradient - gradient).abs().max() <= 1e-4 * gradient.abs().max()


@pytest.mark.parametrize(
    "never", [pytest.param([], id="the folder's", marks=pytest.mark.thorough), pytest.param([202, 190, 4], id="more")]
)
def test_our_decoding_writes_the_tokens_of_generate(
    recogniser: Recogniser, never: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Greedy, without fallback; forbidden tokens are respected: with `never` those that it would write."""
    settings, written = recogniser.model.generation_config, []
    settings.suppress_tokens = settings.suppress_tokens + never
    settings.begin_suppress_tokens = settings.begin_suppress_tokens + [23, 168] * bool(never)
    monkeypatch.setattr(shared, "greedy", lambda *given, **more: written.append(greedy(*given, **more)) or written[-1])
    monkeypatch.setattr(type(recogniser.family), "most_tokens", lambda *_: 15)
    for clip in CLIPS:
        theirs = recogniser.model.generate(
            **features(recogniser, clip), max_new_tokens=15, do_sample=False, num_beams=1
        )
        transcribe(recogniser, [clip])
        ours = written.pop()[0].ids
        assert ours == theirs[0].tolist()[: len(ours)]
        assert set(theirs[0].tolist()[len(ours) :]) <= {recogniser.model.config.eos_token_id}
        assert not set(never) & set(ours)
    assert len(set(ours)) > 3  # it does not say one thing all the time


def test_a_batch_reads_as_its_clips_one_by_one(recogniser: Recogniser) -> None:
    alone, together = [transcribe(recogniser, [clip])[0] for clip in CLIPS], transcribe(recogniser, CLIPS)
    assert [hypothesis.text for hypothesis in alone] == [hypothesis.text for hypothesis in together]
    assert len({hypothesis.text for hypothesis in alone}) == len(CLIPS)
    for one, other in zip(alone, together, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


@pytest.mark.parametrize("targets", LAYERS)
def test_the_presets_reach_the_layers_that_they_name(english: Path, targets: str) -> None:
    adapted = attach(load(english, "cpu"), 2, 4, 0.0, targets, seed=0)
    adapted_layers = {name.split(".lora_")[0] for name, _ in adapted.model.named_parameters() if ".lora_" in name}
    assert len(adapted_layers) == LAYERS[targets]
    prepared = row(adapted, CLIPS[0])
    kept = "stem" if targets in ("deep", "full") else "memory"
    assert {kept} == prepared.keys() & {"stem", "memory"}
    assert prepared[kept].shape == (1500, 64)


@pytest.mark.parametrize("targets", ["full", "voice"])
def test_short_frames_of_several_lengths_have_the_loss_and_the_gradients_of_their_clips(
    english: Path, targets: str
) -> None:
    adapted = with_short_frames(disturbed(load(english, "cpu"), targets))
    rows = [row(adapted, clip) for clip in CLIPS]
    kept = "stem" if targets == "full" else "memory"
    assert [len(prepared[kept]) for prepared in rows] == [300, 281, 365]  # 50 a second, and 5 s of silence
    alone, together = [loss(adapted, [prepared]) for prepared in rows], loss(adapted, rows)
    assert together[0] == pytest.approx(sum(total for total, _ in alone), rel=1e-5)
    summed = gradients(adapted, [[prepared] for prepared in rows])
    for batch_gradient, gradient in zip(gradients(adapted, [rows]), summed, strict=True):
        assert gradient.abs().max() > 0
        assert (batch_gradient - gradient).abs().max() <= 1e-4 * gradient.abs().max()
    recompute_activations(adapted)
    adapted.model.train()
    for again, gradient in zip(gradients(adapted, [rows]), summed, strict=True):
        assert (again - gradient).abs().max() <= 1e-4 * gradient.abs().max()


def test_a_short_frame_is_the_beginning_of_the_whole_one(english: Path) -> None:
    adapted = attach(load(english, "cpu"), 2, 4, 0.0, "full", seed=0)
    short, whole = row(with_short_frames(adapted), CLIPS[0])["stem"], row(adapted, CLIPS[0])["stem"]
    assert (short[:-1] - whole[: len(short) - 1]).abs().max() < 1e-5  # the last hears one step of the sound beyond it
    longest = Clip(noise(28.0), TEXTS[0])
    assert len(row(with_short_frames(adapted), longest)["stem"]) == 1500


def test_what_was_encoded_in_short_frames_is_read_in_a_batch_as_alone(english: Path) -> None:
    short = with_short_frames(load(english, "cpu"))
    encoded = [short.family.features(short.model, short.processor, clip) for clip in CLIPS]
    together = short.family.transcribe_features(short.model, short.processor, CLIPS, encoded)
    alone = [short.family.transcribe(short.model, short.processor, clip) for clip in CLIPS]
    assert [hypothesis.text for hypothesis in together] == [hypothesis.text for hypothesis in alone]
    assert [hypothesis.confidence for hypothesis in together] == [
        pytest.approx(hypothesis.confidence, abs=1e-5) for hypothesis in alone
    ]


def test_features_of_short_frames_are_never_taken_for_those_of_whole_ones(english: Path) -> None:
    whole = load(english, "cpu")
    keys = [
        recogniser.family.frozen_part(recogniser.model, recogniser.processor)
        for recogniser in (whole, with_short_frames(whole))
    ]
    assert len(set(keys)) == 2


@pytest.mark.thorough
def test_a_run_with_short_frames_learns_and_is_measured_on_whole_ones(tmp_path: Path, english: Path) -> None:
    tones(tmp_path)
    changes = {"model": str(english), "targets": "full", "rank": 2, "max_steps": 2, "eval_every": 2}
    alike = [train(tmp_path, name, config(**changes, short_frames=name == "short")) for name in ("short", "whole")]
    before, learnt = (
        [[event for event in events if isinstance(event, kind)] for events in alike] for kind in (Evaluated, StepDone)
    )
    assert before[0][0].wer == before[1][0].wer  # the base on the test clips
    assert before[0][0].cer == before[1][0].cer
    assert learnt[0][0].loss != learnt[1][0].loss
    assert all(isinstance(events[-1], Finished) for events in alike)


def test_short_frames_are_refused_where_clips_are_heard_at_their_own_length(tmp_path: Path) -> None:
    tones(tmp_path)
    with pytest.raises(ConfigError, match="processes each clip at its own length"):
        train(tmp_path, "run", config(short_frames=True))
    with pytest.raises(ConfigError, match="processes each clip at its own length"):
        before_start.check(config(model="starter", short_frames=True), [])


def test_what_is_kept_once_a_clip_cannot_be_adapted(english: Path) -> None:
    with pytest.raises(ConfigError, match="below every adapter"):
        attach(load(english, "cpu"), 2, 4, 0.0, r".*encoder\.conv1", seed=0)
    with pytest.raises(ConfigError, match="shares its weights"):
        attach(load(english, "cpu"), 2, 4, 0.0, "proj_out", seed=0)


def test_keeping_the_encoder_changes_nothing(english: Path) -> None:
    decoder_only = disturbed(load(english, "cpu"), "voice")
    everywhere = row(attach(load(english, "cpu"), 4, 8, 0.0, "deep", seed=0), CLIPS[2])
    assert loss(decoder_only, [row(decoder_only, CLIPS[2])]) == loss(decoder_only, [everywhere])


@pytest.mark.thorough
def test_gradient_checkpointing_changes_no_gradient(english: Path) -> None:
    adapted = disturbed(load(english, "cpu"), "full")
    rows = [row(adapted, clip) for clip in CLIPS]
    adapted.model.train()
    plain = gradients(adapted, [rows])
    recompute_activations(adapted)
    assert adapted.model.get_base_model().model.encoder.layers[0].gradient_checkpointing
    scale = max(gradient.abs().max() for gradient in plain)
    assert all(
        (first - second).abs().max() <= 1e-5 * scale
        for first, second in zip(plain, gradients(adapted, [rows]), strict=True)
    )


def test_bf16_trains_and_reads(recogniser: Recogniser, folder: Path) -> None:
    adapted = disturbed(load(folder, "cpu", "bf16"), "deep")
    assert all(gradient.isfinite().all() for gradient in gradients(adapted, [[row(adapted, CLIPS[0])]]))
    assert transcribe(adapted, CLIPS[:1])[0].text


@pytest.mark.parametrize("seconds", [0.02, 30.001])
def test_clips_beyond_the_bounds_are_refused_in_words(english: Path, seconds: float) -> None:
    recogniser = load(english, "cpu")
    clip = Clip(np.zeros(int(seconds * 16_000), np.float32), id="a1")
    for act in (lambda: row(recogniser, clip), lambda: transcribe(recogniser, [clip])):
        with pytest.raises(DataError, match=r"Clip a1 has .* s of audio"):
            act()


def test_the_longest_clip_is_heard_to_its_end(english: Path) -> None:
    recogniser = load(english, "cpu")
    samples = noise(30.0)
    whole, cut = row(recogniser, Clip(samples)), row(recogniser, Clip(samples[:-1600]))
    assert not whole["memory"][-3:].allclose(cut["memory"][-3:], atol=1e-3)


def test_a_text_longer_than_the_decoder_is_refused_in_words(tmp_path: Path) -> None:
    recogniser = load(tiny_models.whisper(tmp_path, max_target_positions=24), "cpu")
    row(recogniser, Clip(noise(1.0), "z" * 21))
    with pytest.raises(DataError, match=r"label has 23 tokens; the model writes 22 at most"):
        row(recogniser, Clip(noise(1.0), "z" * 22, "a1"))
    assert len(transcribe(recogniser, [Clip(noise(29.0))])) == 1  # the limit of 30 s would be far beyond its places


def test_a_merged_folder_reads_like_the_pair_with_transformers_alone(folder: Path, tmp_path: Path) -> None:
    from transformers import WhisperForConditionalGeneration

    adapted = disturbed(load(folder, "cpu"), "full")
    save(adapted, tmp_path / "lora")
    before, after = (reading.plain for reading in transcribe_each(adapted, CLIPS[2]))
    assert before.text != after.text
    report = merge(tmp_path / "lora", tmp_path / "merged", lambda family: CLIPS[:1])
    assert report.max_difference < 1e-3
    assert transcribe(load(tmp_path / "merged", "cpu"), [CLIPS[2]])[0].text == after.text
    plain = WhisperForConditionalGeneration.from_pretrained(tmp_path / "merged")
    tokens = plain.generate(**features(adapted, CLIPS[2]), max_new_tokens=46)
    text = adapted.processor.tokenizer.decode(tokens[0], skip_special_tokens=True).strip()
    assert text == after.text


def test_a_run_learns_is_killed_goes_on_and_merges(tmp_path: Path) -> None:
    """With random weights and noise: it can only learn by heart, and does."""
    model = tiny_models.whisper(tmp_path / "model")
    dataset = Dataset.create(tmp_path / "recordings" / "noises")
    for place in range(8):
        write_wav(tmp_path / "clip.wav", np.pad(noise(1.0, place), 4000), 16_000)
        dataset.add(
            tmp_path / "clip.wav", text=f"order {place}", split=("train", "train", "validation", "test")[place % 4]
        )
    changes = {
        "dataset": "noises", "model": str(model), "targets": "voice", "dropout": 0.0, "learning_rate": 0.02,
        "max_steps": 10, "accumulation": 1, "eval_every": 5, "device": "cpu",
    }  # fmt: skip
    killed = run_until(tmp_path, "run", lambda event: isinstance(event, CheckpointSaved) and event.step == 5, **changes)
    events = train(tmp_path, "run", config(**changes), resume=True)
    assert next(event for event in events if isinstance(event, Started)).resumed_from == 5
    losses = [event.loss for event in killed + events if isinstance(event, StepDone)]
    assert isinstance(events[-1], Finished)
    assert len(losses) == 10
    assert losses[-1] < losses[0] / 2
    assert merge(folder_of(tmp_path, "run").adapter, tmp_path / "merged").max_difference < 1e-3


def test_the_picker_offers_whisper() -> None:
    cards = {card.id: card for card in catalogue() if card.family == "whisper"}
    assert {"openai/whisper-tiny.en", "openai/whisper-tiny", "openai/whisper-small"} <= set(cards)
    assert cards["openai/whisper-small"].parameters == 241_734_912
