"""The bundled model is what its card says, loads with plain transformers, and can be made again."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import DeviceError
from studio.starter import GENERAL_FOLDER, MODEL_FOLDER, UNHEARD_FOLDER, domain, synthesis
from studio.text.metrics import score

SYNTHESISERS = shutil.which("espeak-ng") and shutil.which("flite")
needs_synthesisers = pytest.mark.skipif(not SYNTHESISERS, reason="espeak-ng and flite are not installed")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL_FOLDER)


@pytest.fixture(scope="module")
def recogniser() -> Any:
    from studio.starter.recipe.measure import PlainModel

    return PlainModel(MODEL_FOLDER)


def test_the_shipped_model_is_small_and_in_half_precision() -> None:
    weights = MODEL_FOLDER / "model.safetensors"
    assert weights.stat().st_size <= 16 * 2**20
    header = json.loads(weights.read_bytes()[8 : 8 + int.from_bytes(weights.read_bytes()[:8], "little")])
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F16"}


def test_it_loads_with_plain_transformers_in_single_precision() -> None:
    import torch
    from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor, MoonshineForConditionalGeneration

    model = AutoModelForSpeechSeq2Seq.from_pretrained(MODEL_FOLDER)
    assert isinstance(model, MoonshineForConditionalGeneration)
    assert model.dtype == torch.float32
    inputs = AutoProcessor.from_pretrained(MODEL_FOLDER)(np.zeros(16_000, np.float32), sampling_rate=16_000)
    assert len(inputs["input_values"][0]) == 16_000


def test_loudness_is_levelled_before_the_network() -> None:
    from transformers import AutoFeatureExtractor

    extractor = AutoFeatureExtractor.from_pretrained(MODEL_FOLDER)
    loud = np.sin(np.arange(16_000, dtype=np.float32) / 20)
    heard = [extractor(loud * gain, sampling_rate=16_000)["input_values"][0] for gain in (1.0, 0.01)]
    assert extractor.return_attention_mask
    np.testing.assert_allclose(*heard, atol=1e-2)


@given(st.integers(0, 10**9))
def test_domain_sentences_survive_the_tokenizer(tokenizer: Any, seed: int) -> None:
    for text in (domain.utterance(random.Random(seed)).text, domain.numbers_prompt(random.Random(seed)).text):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_any_text_survives_the_tokenizer(tokenizer: Any, text: str) -> None:
    text = " ".join(text.replace("▁", " ").split())
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text


def test_ctc_times_follow_the_best_path() -> None:
    from studio.starter.recipe.losses import ctc_times

    path = [0, 2, 2, 0, 2, 3, 3, 3, 0]  # units by frame: 2, 2, 3, with a blank between the equal ones
    log_probs = np.log(np.full((1, 9, 4), 0.05, np.float32) + 0.8 * np.eye(4, dtype=np.float32)[path])
    assert ctc_times(log_probs, [[2, 2, 3]]) == [[1.5, 4.0, 6.0]]


def test_spoken_digits_are_cut_apart_only_where_pauses_are_plain() -> None:
    from studio.starter.recipe.human import cut_apart

    rng = np.random.default_rng(0)
    burst, pause = (rng.normal(0, level, int(16_000 * seconds)) for level, seconds in ((0.1, 0.3), (1e-4, 0.12)))
    said = np.concatenate([pause, burst, pause, burst, pause, burst, pause]).astype(np.float32)
    cut = cut_apart(said, 3)
    assert [len(digit) / 16_000 for digit in cut] == pytest.approx([0.3] * 3, abs=0.08)
    assert cut_apart(said, 2) == []  # two pauses of one length: either could be the one between the digits
    assert cut_apart(said, 5) == []


def test_a_word_spelled_in_letters_is_heard_where_the_word_is(tokenizer: Any) -> None:
    from studio.starter.recipe.tokenizer import Targets

    decoder, units, owner = Targets().encode("in words gate two", spelled=0.6)
    assert tokenizer.convert_ids_to_tokens(decoder) == ["▁in", "▁words", "▁", "g", "a", "t", "e", "▁two"]
    assert tokenizer.convert_ids_to_tokens(units) == ["▁in", "▁words", "▁gate", "2"]
    assert owner == [0, 1, 2, 2, 2, 2, 2, 3]


def test_digits_are_single_tokens_and_digit_names_are_whole(tokenizer: Any) -> None:
    pieces = tokenizer.tokenize("order number 129 one two nine cat")
    assert pieces == ["▁order", "▁number", "▁", "1", "2", "9", "▁one", "▁two", "▁nine", "▁", "c", "a", "t"]


def test_special_tokens_have_ids_of_their_own(tokenizer: Any) -> None:
    ids = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    config = json.loads((MODEL_FOLDER / "config.json").read_text())
    assert len(ids) == 4
    assert (config["bos_token_id"], config["eos_token_id"]) == (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
    )


def test_a_number_is_said_digit_by_digit_and_written_unspaced() -> None:
    assert domain.spoken("order number 1296803") == "order number one two nine, six eight zero three"
    assert domain.as_words("order 129") == "order one two nine"
    assert 100 <= len(domain.vocabulary()) <= 200


@given(st.integers(0, 10**9))
def test_the_same_seed_draws_the_same_sentence(seed: int) -> None:
    assert domain.utterance(random.Random(seed)) == domain.utterance(random.Random(seed))


def test_the_card_gives_every_voice_with_its_number_of_clips() -> None:
    card = (MODEL_FOLDER / "README.md").read_text(encoding="utf-8")
    rows = json.loads((MODEL_FOLDER / "measured.json").read_text())
    for name, row in rows.items():
        assert f"| {name} | {row['clips']} | {row['wer']} |" in card
    assert "CC BY-SA 4.0" in card


@pytest.mark.parametrize(("folder", "train", "megabytes"), [(GENERAL_FOLDER, 40, 2.5), (UNHEARD_FOLDER, 40, 3.0)])
def test_the_bundled_sets_are_whole_and_small(folder: Path, train: int, megabytes: float) -> None:
    import soundfile

    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert sum(row["split"] == "train" for row in rows) == train
    for row in rows:
        clip = soundfile.info(folder / row["audio_filepath"])
        assert (clip.samplerate, clip.channels) == (16_000, 1)
        assert clip.duration == pytest.approx(row["duration"], abs=1e-3)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= megabytes * 2**20


def test_the_general_set_is_heard_almost_without_error(recogniser: Any) -> None:
    assert bundled_score(recogniser, GENERAL_FOLDER, slice(0, 15)).wer <= 0.1


def test_the_unheard_voice_is_heard_but_not_well(recogniser: Any) -> None:
    digit_error = bundled_score(recogniser, UNHEARD_FOLDER, slice(40, 52)).digit_error
    assert digit_error is not None
    assert 0.02 <= digit_error <= 0.5


def bundled_score(recogniser: Any, folder: Path, part: slice) -> Any:
    import soundfile

    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()][part]
    heard = [recogniser.transcribe(soundfile.read(folder / row["audio_filepath"], dtype="float32")[0]) for row in rows]
    return score([row["text"] for row in rows], heard)


@needs_synthesisers
def test_a_fresh_sample_of_a_heard_voice_is_understood(recogniser: Any) -> None:
    from studio.starter.recipe.corpus import resampled, trimmed

    texts = [
        "order number 1296803",
        "please confirm my order",
        "location code 482913",
        "cancel the last order",
    ]
    heard = []
    for text in texts:
        sound, rate = synthesis.synthesise(domain.spoken(text), synthesis.voice("espeak-ng:en-us+m3"))
        heard.append(recogniser.transcribe(trimmed(resampled(sound, rate))[0]))
    assert score(texts, heard).wer <= 0.15


@needs_synthesisers
@pytest.mark.parametrize("name", ["flite:awb", "espeak-ng:en-us+klatt4"])
def test_a_voice_says_words_at_the_rate_asked_for(name: str) -> None:
    speaker = synthesis.voice(name)
    assert not speaker.heard
    (slow, rate), (fast, _) = (synthesis.synthesise("one two three four", speaker, factor) for factor in (0.8, 1.25))
    assert 0.3 < len(fast) / rate < len(slow) / rate < 5
    assert slow.dtype == np.float32


def test_a_missing_synthesiser_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match="apt-get install espeak-ng flite"):
        synthesis.synthesise("one", synthesis.voice("flite:awb"))


def test_an_unknown_voice_is_refused_with_an_example() -> None:
    with pytest.raises(DeviceError, match="flite:awb"):
        synthesis.voice("siri")


# The recipe at a tiny scale: one worker, a few clips, a few steps.


def tiny() -> Any:
    from studio.starter.recipe.model import Shape
    from studio.starter.recipe.settings import Recipe

    return Recipe(
        shape=Shape(32, 64, 1, 1, 2),
        shards=1,
        shard_clips=24,
        human_joined=0,
        seconds=4.0,
        workers=1,
        peaks=(1e-3,),
        cycles=(6,),
        warmup=2,
        curriculum=4,
        guide_below=1e9,
        save_every=4,
    )


@pytest.fixture(scope="module")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from studio.starter.recipe import build

    work = tmp_path_factory.mktemp("starter")
    build.make_human_shards(tiny(), work)
    build.make_corpus(tiny(), work)
    return work / "corpus"


def trained(corpus: Path, work: Path, stop_after: int = 99) -> list[int]:
    """Train in `work` on the ready corpus; returns the steps that were done."""
    from studio.starter.recipe import trainer

    work.mkdir(exist_ok=True)
    if not (work / "corpus").exists():
        (work / "corpus").symlink_to(corpus)
    done = []
    for step in trainer.train(0, tiny(), work):
        done.append(step.step)
        if len(done) == stop_after:
            break  # as if killed: whatever came after the last checkpoint is lost
    return done


def same_weights(one: Path, other: Path) -> bool:
    import torch

    states = [torch.load(work / "checkpoint.pt", weights_only=True) for work in (one, other)]
    mine, theirs = ([*state["model"].values(), *state["average"]] for state in states)
    return all(map(torch.equal, mine, theirs))


@needs_synthesisers
def test_the_same_seed_makes_the_same_corpus(tiny_corpus: Path, tmp_path: Path) -> None:
    from studio.starter.recipe import build

    build.make_corpus(tiny(), tmp_path)
    assert (tmp_path / "corpus/train-000.raw").read_bytes() == (tiny_corpus / "train-000.raw").read_bytes()


@needs_synthesisers
def test_the_same_seed_gives_the_same_weights(tiny_corpus: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        assert trained(tiny_corpus, tmp_path / name) == [1, 2, 3, 4, 5, 6]
    assert same_weights(tmp_path / "one", tmp_path / "other")


@needs_synthesisers
def test_a_killed_build_resumes_to_the_same_weights(tiny_corpus: Path, tmp_path: Path) -> None:
    trained(tiny_corpus, tmp_path / "whole")
    trained(tiny_corpus, tmp_path / "killed", stop_after=5)
    assert trained(tiny_corpus, tmp_path / "killed") == [5, 6]
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


@needs_synthesisers
def test_what_the_recipe_exports_transcribes(tiny_corpus: Path, tmp_path: Path) -> None:
    from studio.starter.recipe.export import export
    from studio.starter.recipe.measure import PlainModel

    trained(tiny_corpus, tmp_path / "work")
    export(tmp_path / "work" / "checkpoint.pt", tmp_path / "model")
    assert isinstance(PlainModel(tmp_path / "model").transcribe(np.zeros(16_000, np.float32)), str)
