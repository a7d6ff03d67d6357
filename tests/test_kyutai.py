"""Kyutai speech to text, at the true architecture with random weights: streams, loss, decoding, adapters, runs."""

from __future__ import annotations

import json
import math
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timed
import tiny_models
from timed import RATE
from tones import config, folder_of, run_until, train

from studio.audio import write_wav
from studio.data.manifest import Dataset
from studio.data.utterance import Utterance
from studio.errors import ConfigError, DataError, ModelError
from studio.export.merged import merge
from studio.export.snippets import merged_snippet
from studio.inference.transcribe import transcribe
from studio.models import Clip, Recogniser, before_start, load
from studio.models.adapters import attach, save, trainable, without_adapter, without_peft
from studio.models.inference_mode import inference_mode
from studio.models.key_terms import key_terms
from studio.models.kyutai.decoding import Streams
from studio.models.kyutai.family import _window
from studio.models.kyutai.interleaver import Layout, TimedTokens, text_stream
from studio.models.memory import recompute_activations
from studio.runs.events import CheckpointSaved, Finished, Started, StepDone, Warned
from studio.train.adapted import with_adapter
from studio.train.augment import variant

LAYOUT = Layout(frame_rate=12.5, delay=0.5, silence_before=0.0, pad=3)
CLIPS = [timed.clip(words, seed=seed) for seed, words in enumerate(timed.orders(3))]
LAYERS = {"conventions": 2 * 2, "voice": 2 * 3, "deep": 2 * 4, "full": 2 * 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.kyutai(tmp_path_factory.mktemp("kyutai"))


@pytest.fixture(scope="module")
def shared(folder: Path) -> Recogniser:
    """For tests that put nothing on it."""
    return load(folder, "cpu")


@pytest.fixture
def recogniser(folder: Path) -> Recogniser:
    return load(folder, "cpu")


@pytest.fixture(scope="module")
def learnt(overfitted: Path) -> Recogniser:
    """The overfitted model, for tests that put nothing on it."""
    return load(overfitted, "cpu")


@pytest.fixture(scope="module")
def overfitted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model after all its weights but the codec's have learnt CLIPS by heart."""
    import torch

    recogniser = load(folder, "cpu")
    batch = recogniser.family.collate([row(recogniser, clip) for clip in CLIPS])
    weights = [*recogniser.model.model.parameters(), *recogniser.model.lm_head.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=5e-3)
    for _ in range(80):
        total, count = recogniser.family.loss(recogniser.model, batch)
        (total / count).backward()
        optimiser.step()
        optimiser.zero_grad()
    recogniser.family.save(recogniser.model, recogniser.processor, at := tmp_path_factory.mktemp("learnt"))
    return at


def row(recogniser: Recogniser, clip: Clip) -> Any:
    return recogniser.family.prepare(recogniser.model, recogniser.processor, clip)


def loss(recogniser: Recogniser, rows: list[Any]) -> tuple[float, float]:
    total, count = recogniser.family.loss(recogniser.model, recogniser.family.collate(rows))
    return total.item(), count.item()


def adapted(recogniser: Recogniser, targets: str = "full") -> Recogniser:
    """`recogniser` with an adapter that pretends to be trained."""
    import torch

    recogniser = attach(recogniser, 4, 8, 0.0, targets, seed=0)
    torch.manual_seed(3)
    for parameter in trainable(recogniser):
        torch.nn.init.normal_(parameter, std=0.1)
    return recogniser


def gradients(recogniser: Recogniser, rows: list[Any]) -> list[Any]:
    recogniser.model.zero_grad()
    recogniser.family.loss(recogniser.model, recogniser.family.collate(rows))[0].backward()
    return [parameter.grad.clone() for parameter in trainable(recogniser)]


def theirs(
    words: list[tuple[list[int], float, float]], frames: int, delay: float, *, keep_and_shift: bool
) -> list[int]:
    """moshi-finetune's `Interleaver` (finetune/data/interleaver.py), restated: 3 is PAD, 0 EPAD, -1 not learnt."""
    shifted = sorted(
        ((ids, start + delay, end + delay) for ids, start, end in words if start < end), key=lambda w: w[1]
    )
    stream, place, waiting = [3] * frames, 0, deque[int]()
    for frame in range(frames):
        while place < len(shifted) and shifted[place][1] * 12.5 < frame + 1:
            waiting = deque([*waiting, *shifted[place][0]]) if keep_and_shift else deque(shifted[place][0])
            place += 1
        if waiting:
            if frame > 0 and stream[frame - 1] == 3:
                stream[frame - 1] = 0
            stream[frame] = waiting.popleft()
    prefix = int(12.5 * delay)
    return [-1] * prefix + stream[prefix:]


def spoken(rng: random.Random) -> list[tuple[list[int], float, float]]:
    """Words of a clip of up to 30 s: some crowded, some with long pauses, of one to four tokens."""
    words, at = [], rng.uniform(0, 1)
    while at < 27:
        length = rng.uniform(0.05, 0.6)
        words.append(([rng.randrange(4, 484) for _ in range(rng.randint(1, 4))], round(at, 3), round(at + length, 3)))
        at += length + rng.choice([0, 0.02, 0.3, 2.0])
    return words[: rng.randint(1, len(words))]


@pytest.mark.parametrize("delay", [0.5, 2.5])
def test_streams_are_those_of_moshi_finetune_frame_by_frame(delay: float) -> None:
    rng, cut_words = random.Random(1), 0
    layout = Layout(12.5, delay, 0.0, 3)
    for _ in range(50):
        words = spoken(rng)
        frames = math.ceil((30 + layout.silence_after) * 12.5) + 60
        ours = text_stream([TimedTokens(ids, start) for ids, start, _ in words], frames, layout)
        kept, dropped = (theirs(words, frames, delay, keep_and_shift=keep) for keep in (True, False))
        assert ours[: layout.delay_frames] == [3] * layout.delay_frames
        assert ours[layout.delay_frames :] == kept[layout.delay_frames :]
        cut_words += kept != dropped
        written = [token for ids, _, _ in words for token in ids]
        assert [token for token in ours if LAYOUT.is_text(token)] == written  # no token of a word is lost
    assert 0 < cut_words < 50  # their default agrees wherever words do not crowd


def test_a_label_with_more_text_than_sound_is_a_sentence() -> None:
    with pytest.raises(DataError, match="its words need 39 frames, and the clip has 31"):
        text_stream([TimedTokens([9] * 33, 0.0)], 31, LAYOUT)


def test_a_word_begins_half_a_second_after_it_is_said(shared: Recogniser) -> None:
    stream = row(shared, timed.clip(["one", "two"]))["text"].tolist()  # at 0.16 and 0.56 s
    one, two = (shared.processor.tokenizer(word, add_special_tokens=False).input_ids[0] for word in ("one", "two"))
    assert stream[:14] == [3, 3, 3, 3, 3, 3, 3, 0, one, 3, 3, 3, 0, two]
    assert set(stream[14:]) == {3}


def test_the_loss_is_a_plain_weighted_cross_entropy(shared: Recogniser) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    for weight in (0.5, 0.0, 1.0):
        total, count = 0.0, 0.0
        for clip in CLIPS:
            prepared = row(shared, clip)
            text, codes = prepared["text"], prepared["codes"].long()
            given = torch.cat([torch.tensor([[484, *[64] * 4]]), torch.cat([text[:, None], codes], 1)[:-1]])
            with torch.no_grad():
                logits = shared.model(input_ids=given[None]).logits[0]
            weights = torch.where((text == 3) | (text == 0), weight, 1.0)
            total += (cross_entropy(logits, text, reduction="none") * weights).sum().item()
            count += weights.sum().item()
        family = shared.family.weighing(weight)  # type: ignore[attr-defined]
        summed, counted = family.loss(shared.model, family.collate([row(shared, clip) for clip in CLIPS]))
        assert counted.item() == count
        assert (summed / counted).item() == pytest.approx(total / count, abs=1e-5)


def test_a_clip_in_which_nobody_speaks_is_all_padding(shared: Recogniser) -> None:
    prepared = row(shared, Clip(timed.sound(timed.timed(["hold"]))))
    assert set(prepared["text"].tolist()) == {3}
    total, count = loss(shared, [prepared])
    assert count == len(prepared["text"]) / 2
    assert 0 < total < math.inf


def test_a_padded_batch_has_the_loss_and_the_gradients_of_its_clips(recogniser: Recogniser) -> None:
    tuned = adapted(recogniser)
    rows = [row(tuned, clip) for clip in (CLIPS[0], timed.clip(["one"]), timed.clip(["hold"] * 9))]
    alone, together = [loss(tuned, [each]) for each in rows], loss(tuned, rows)
    assert together[1] == sum(count for _, count in alone)
    assert together[0] == pytest.approx(sum(total for total, _ in alone), rel=1e-5)
    single = [gradients(tuned, [each]) for each in rows]
    for joint, *parts in zip(gradients(tuned, rows), *single, strict=True):
        assert joint.abs().max() > 0
        assert (joint - sum(parts)).abs().max() <= 1e-4 * joint.abs().max()


def test_an_overfitted_model_writes_its_labels_as_generate_does(learnt: Recogniser) -> None:
    for clip in CLIPS:
        written = learnt.processor.feature_extractor(clip.samples, sampling_rate=RATE, return_tensors="pt")
        tokens = learnt.model.generate(input_values=written.input_values, do_sample=False)[0, 1:].tolist()
        assert tokens == row(learnt, clip)["text"].tolist()
        text = learnt.processor.tokenizer.decode([token for token in tokens if LAYOUT.is_text(token)])
        assert transcribe(learnt, [clip])[0].text == text.strip() == clip.text


@pytest.mark.usefixtures("librosa_at_once")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's own imports
def test_the_lines_for_plain_transformers_write_the_same(
    overfitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "clip.wav", CLIPS[0].samples, RATE)
    exec(compile(merged_snippet(overfitted), "snippet", "exec"), {})
    assert capsys.readouterr().out.strip().splitlines()[-1].split() == CLIPS[0].text.split()


def test_random_weights_write_the_tokens_of_generate(shared: Recogniser) -> None:
    for clip in CLIPS:
        prepared = row(shared, clip)
        heard = shared.processor.feature_extractor(clip.samples, sampling_rate=RATE, return_tensors="pt")
        tokens = shared.model.generate(input_values=heard.input_values, do_sample=False)[0, 1:].tolist()
        with inference_mode(shared.model):
            streams = Streams(shared.model, LAYOUT, 1)
            for codes in prepared["codes"][:-1].long():
                streams.hear(codes[None])
        assert streams.written[0].ids == tokens
        assert len(set(tokens)) > 3  # it does not say one thing all the time


@pytest.mark.parametrize("pieces", [1, 7, 200])
def test_sound_that_comes_in_bit_by_bit_is_written_as_the_whole(shared: Recogniser, pieces: int) -> None:
    clip, prepared = CLIPS[1], row(shared, CLIPS[1])
    with inference_mode(shared.model):
        listener = shared.family.listen(shared.model, shared.processor)  # type: ignore[attr-defined]
        for samples in np.array_split(clip.samples, pieces):
            listener.hear(samples)
        whole = Streams(shared.model, LAYOUT, 1)
        for codes in prepared["codes"][:-1].long():
            whole.hear(codes[None])
        written = listener.finish()
    assert written.ids == whole.written[0].ids
    assert written.chances == pytest.approx(whole.written[0].chances, abs=1e-5)


def test_a_batch_reads_as_its_clips_one_by_one(shared: Recogniser) -> None:
    clips = [*CLIPS, timed.clip(["hold"])]
    alone, together = [transcribe(shared, [clip])[0] for clip in clips], transcribe(shared, clips)
    assert [hypothesis.text for hypothesis in alone] == [hypothesis.text for hypothesis in together]
    for one, other in zip(alone, together, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


def test_text_appears_while_it_is_written(learnt: Recogniser) -> None:
    seen = list[str]()
    learnt.family.transcribe(learnt.model, learnt.processor, CLIPS[0], seen.append)
    assert seen == [" ".join(CLIPS[0].text.split()[: count + 1]) for count in range(5)]


def test_a_key_term_is_made_likelier_where_a_word_is_written_and_nowhere_else(learnt: Recogniser) -> None:
    terms = key_terms(learnt.family, learnt.processor, ["hold"], 4.0)
    assert terms is not None
    terms.root.following[7] = terms.root  # a term of one token that goes on and on
    read = learnt.family.transcribe_with_adapters(learnt.model, learnt.processor, CLIPS[0], 1, terms)[0]
    assert read.plain.text == CLIPS[0].text
    assert read.biased is not None
    assert len(read.biased.words or []) <= len(read.plain.words or [])


def test_a_long_stream_looks_back_no_further_than_the_model_does(tmp_path: Path) -> None:
    import torch

    recogniser = load(tiny_models.kyutai(tmp_path, sliding_window=12), "cpu")
    codes = torch.randint(0, 64, (40, 4), generator=torch.Generator().manual_seed(0))
    with inference_mode(recogniser.model):
        streams = Streams(recogniser.model, LAYOUT, 1)
        for frame in codes:
            streams.hear(frame[None])
        text = torch.tensor(streams.written[0].ids)[None]
        family: Any = recogniser.family
        hidden = family._hidden(recogniser.model, torch.cat([codes, codes[:1]])[None], text)
    assert (hidden[0, -1] - streams.hidden[0]).abs().max() < 1e-4
    assert recogniser.model.lm_head(hidden[0]).argmax(-1).tolist() == streams.written[0].ids
    assert _window(torch.zeros(1, 3), 2).tolist() == [[[[1, 0, 0], [1, 1, 0], [0, 1, 1]]]]  # type: ignore[union-attr]


@pytest.mark.parametrize("targets", LAYERS)
def test_the_presets_reach_the_layers_that_they_name(recogniser: Recogniser, targets: str) -> None:
    tuned = attach(recogniser, 2, 4, 0.0, targets, seed=0)
    layers = {name.split(".lora_")[0] for name, _ in tuned.model.named_parameters() if ".lora_" in name}
    assert len(layers) == LAYERS[targets]
    assert not any("codec_model" in name for name in layers)


def embeddings(recogniser: Recogniser) -> Any:
    return without_peft(recogniser.model).model.embed_tokens.embed_tokens.weight


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.thorough), "bf16"])
def test_embeddings_learn_whole_in_fp32_and_come_off_again(folder: Path, tmp_path: Path, precision: str) -> None:
    import torch

    settings = config(model=str(folder), targets="full", rank=4, train_embeddings=True, dropout=0.0)
    base = load(folder, "cpu", precision)
    before, logits = embeddings(base).clone(), base.family.logits(base.model, base.processor, CLIPS[0])
    tuned = with_adapter(base, settings)
    (table,) = [weight for weight in trainable(tuned) if weight.shape == before.shape]
    assert table.dtype == torch.float32
    optimiser = torch.optim.SGD(trainable(tuned), lr=0.05)
    tuned.family.loss(tuned.model, tuned.family.collate([row(tuned, clip) for clip in CLIPS]))[0].backward()
    optimiser.step()
    after = tuned.family.logits(tuned.model, tuned.processor, CLIPS[0])
    assert (after - logits).abs().max() > 0.01
    with without_adapter(tuned):
        assert tuned.family.logits(tuned.model, tuned.processor, CLIPS[0]).equal(logits)
    save(tuned, tmp_path / "lora")
    again = load(folder, "cpu", precision, adapter=tmp_path / "lora")
    difference = again.family.logits(again.model, again.processor, CLIPS[0]) - after
    assert difference.abs().max() < (1e-5 if precision == "fp32" else 0.2)
    assert embeddings(tuned).equal(before)
    if precision == "fp32":
        assert merge(tmp_path / "lora", tmp_path / "merged").max_difference < 1e-3


def test_other_models_do_not_train_their_embeddings() -> None:
    with pytest.raises(ConfigError, match="Only Kyutai's models"):
        with_adapter(load("echo", "cpu"), config(train_embeddings=True))


def test_the_codec_cannot_be_adapted(recogniser: Recogniser) -> None:
    with pytest.raises(ConfigError, match="computed once per clip, below every adapter"):
        attach(recogniser, 2, 4, 0.0, r"codec_model\..*fc1", seed=0)


def test_gradient_checkpointing_changes_no_gradient(recogniser: Recogniser) -> None:
    tuned = adapted(recogniser)
    rows = [row(tuned, clip) for clip in CLIPS]
    tuned.model.train()
    plain = gradients(tuned, rows)
    recompute_activations(tuned)
    assert tuned.model.get_base_model().model.layers[0].gradient_checkpointing
    scale = max(gradient.abs().max() for gradient in plain)
    for first, second in zip(plain, gradients(tuned, rows), strict=True):
        assert (first - second).abs().max() <= 1e-5 * scale


@pytest.mark.thorough
def test_in_bf16_the_adapter_and_the_codec_stay_fp32(folder: Path) -> None:
    import torch

    tuned = adapted(load(folder, "cpu", "bf16"))
    base = tuned.model.get_base_model()
    assert base.lm_head.weight.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in trainable(tuned)} == {torch.float32}
    assert {weight.dtype for weight in base.codec_model.parameters()} == {torch.float32}
    assert all(gradient.isfinite().all() for gradient in gradients(tuned, [row(tuned, CLIPS[0])]))
    assert row(tuned, CLIPS[0])["codes"].equal(row(load(folder, "cpu"), CLIPS[0])["codes"])
    assert transcribe(tuned, CLIPS[:1])[0].seconds == pytest.approx(len(CLIPS[0].samples) / RATE)


def test_a_variant_takes_its_word_times_along() -> None:
    changed = variant(CLIPS[0], RATE, seed=1, number=2)
    assert changed.words
    assert CLIPS[0].words
    factor = len(changed.samples) / len(CLIPS[0].samples)
    assert factor != 1
    assert changed.words[-1][1][0] == pytest.approx(CLIPS[0].words[-1][1][0] * factor)


@pytest.mark.parametrize("seconds", [0.07, 30.001])
def test_clips_beyond_the_bounds_are_refused_in_words(shared: Recogniser, seconds: float) -> None:
    clip = Clip(np.zeros(int(seconds * RATE), np.float32), id="a1")
    for act in (lambda: row(shared, clip), lambda: transcribe(shared, [clip])):
        with pytest.raises(DataError, match=r"Clip a1 has .* s of audio"):
            act()


def with_settings(folder: Path, new: Path, file: str, **changes: Any) -> Path:
    """A copy of the model in `folder` with other settings in one of its files."""
    new.mkdir()
    for path in folder.iterdir():
        (new / path.name).write_bytes(path.read_bytes())
    found = json.loads((new / file).read_text())
    found.get("feature_extractor", found).update(changes)
    (new / file).write_text(json.dumps(found))
    return new


@pytest.mark.parametrize("delay", [0.0, -1, 60, "soon", None])
def test_a_model_without_a_delay_that_can_be_is_a_sentence(folder: Path, tmp_path: Path, delay: Any) -> None:
    there = with_settings(folder, tmp_path / "m", "processor_config.json", audio_delay_seconds=delay)
    with pytest.raises(ModelError, match=r"audio_delay_seconds: .* text must follow sound by more than 0"):
        load(there, "cpu")


def test_a_model_of_another_delay_is_taught_at_its_own(folder: Path, tmp_path: Path) -> None:
    there = with_settings(
        folder, tmp_path / "m", "processor_config.json", audio_delay_seconds=2.5, audio_silence_prefix_seconds=1.0
    )
    quick, slow = row(load(folder, "cpu"), CLIPS[0]), row(load(there, "cpu"), CLIPS[0])
    assert len(slow["text"]) == len(slow["codes"]) == len(quick["text"]) + 3.0 * 12.5 + 0.5
    first = [next(place for place, token in enumerate(each["text"]) if token > 3) for each in (quick, slow)]
    assert first[1] - first[0] == 3.0 * 12.5 - 0.5
    written = [[token for token in each["text"].tolist() if token > 3] for each in (quick, slow)]
    assert written[0] == written[1]


def stripped(dataset: Dataset, change: Callable[[dict[str, Any]], None]) -> list[Utterance]:
    """The clips of `dataset` after `change` to each line of its manifest."""
    path = dataset.folder / "manifest.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        change(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Dataset.open(dataset.folder).utterances()


SMALL = {
    "dataset": "timed", "targets": "full", "rank": 32, "alpha": 64, "dropout": 0.0, "learning_rate": 0.01,
    "max_steps": 4, "accumulation": 1, "eval_every": 2, "device": "cpu",
}  # fmt: skip


def test_clips_without_word_times_are_named_before_a_run_starts(folder: Path, tmp_path: Path) -> None:
    def forget(line: dict[str, Any]) -> None:
        if line["id"] in ("c0", "c3", "c4"):  # train, validation, test: the last needs none
            line.pop("words")

    clips = stripped(timed.dataset(tmp_path), forget)
    settings = config(**SMALL, model=str(folder))
    with pytest.raises(DataError, match=r"2 clips have no word times.*: c0; c3") as refused:
        before_start.check(settings, clips)
    assert refused.value.remedy == "Time their words first: studio align timed"
    with pytest.raises(DataError, match="2 clips have no word times"):
        train(tmp_path, "run", settings)


@pytest.mark.thorough
def test_a_run_leaves_out_clips_whose_word_times_cannot_be(folder: Path, tmp_path: Path) -> None:
    def spoil(line: dict[str, Any]) -> None:
        if line["id"] == "c1":
            line["words"] = line["words"][:-1]

    stripped(timed.dataset(tmp_path, rate=12_000), spoil)
    events = train(tmp_path, "run", config(**{**SMALL, "max_steps": 1}, model=str(folder)))
    notes = [event.message for event in events if isinstance(event, Warned)]
    assert any("Left out (1): c1 (The timed words" in note for note in notes)
    assert any("5 training clips were recorded below 24 kHz (the lowest at 12 kHz)" in note for note in notes)
    assert next(event for event in events if isinstance(event, Started)).train_clips == 5


@pytest.mark.thorough
def test_replay_without_word_times_is_left_out_and_said(folder: Path, tmp_path: Path) -> None:
    timed.dataset(tmp_path)
    timed.dataset(tmp_path, "others")
    stripped(Dataset.open(tmp_path / "recordings" / "others"), lambda line: line.pop("words"))
    events = train(tmp_path, "run", config(**{**SMALL, "max_steps": 1}, model=str(folder), replay="others"))
    notes = " ".join(event.message for event in events if isinstance(event, Warned))
    assert "6 clips to replay (no word times)" in notes
    assert isinstance(events[-1], Finished)


@pytest.mark.thorough
def test_a_run_learns_is_killed_goes_on_and_merges(folder: Path, tmp_path: Path) -> None:
    timed.dataset(tmp_path)
    changes = {**SMALL, "model": str(folder), "train_embeddings": True}  # so that a checkpoint has all there can be
    whole = train(tmp_path, "whole", config(**changes))
    killed = run_until(tmp_path, "run", lambda event: isinstance(event, CheckpointSaved) and event.step == 2, **changes)
    events = train(tmp_path, "run", config(**changes), resume=True)
    assert next(event for event in events if isinstance(event, Started)).resumed_from == 2
    losses = [event.loss for event in killed + events if isinstance(event, StepDone)]
    assert losses == [event.loss for event in whole if isinstance(event, StepDone)]
    assert losses[-1] < losses[0]
    assert isinstance(events[-1], Finished)
    both = [(folder_of(tmp_path, run).adapter / "adapter_model.safetensors").read_bytes() for run in ("whole", "run")]
    assert both[0] == both[1]
    assert merge(folder_of(tmp_path, "run").adapter, tmp_path / "merged").max_difference < 1e-3
    tuned = load(str(folder), "cpu", adapter=folder_of(tmp_path, "run").adapter)
    assert transcribe(tuned, CLIPS)[0].text == transcribe(load(tmp_path / "merged", "cpu"), CLIPS)[0].text
