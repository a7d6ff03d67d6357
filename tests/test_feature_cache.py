"""Features on the disk are exactly those that would be computed, or they are computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import tones

from studio.audio import write_wav
from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.data.utterance import Utterance
from studio.errors import DataError
from studio.models import Clip, Recogniser, adapters, load
from studio.models.encoder_decoder import EncoderDecoder
from studio.runs.events import Event, Failed, Warned
from studio.train import feature_cache
from studio.train.encoding import EncodingSet, encode
from studio.train.feature_cache import FeatureCache, size_of
from studio.workspace import Workspace

MAKERS: dict[str, Any] = {
    "moonshine": tiny_models.moonshine,
    "streaming": tiny_models.moonshine_streaming,
    "whisper": tiny_models.whisper,
}
TEXTS = ["order 12", "a longer order 98765", "3", "phone 555", "code 0", "order 40 40", "call 7", "yes", "no", "please"]
SPLITS = ("train",) * 6 + ("validation",) * 2 + ("test",) * 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tiny_models.moonshine(tmp_path_factory.mktemp("moonshine"))
    return made


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One with ten clips of noise, for a model of random weights."""
    dataset = Dataset.create(tmp_path / "recordings" / "noise")
    for place, (text, split) in enumerate(zip(TEXTS, SPLITS, strict=True)):
        write_wav(tmp_path / "clip.wav", tiny_models.noise(0.4 + 0.1 * place, place), 16_000)
        dataset.add(tmp_path / "clip.wav", text=text, prompt=text, split=split)  # type: ignore[arg-type]
    return tmp_path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The clips whose features are computed from here on."""
    names: list[str] = []
    compute = EncoderDecoder.features

    def noted(self: Any, model: Any, processor: Any, clip: Clip) -> Any:
        names.append(clip.id)
        return compute(self, model, processor, clip)

    monkeypatch.setattr(EncoderDecoder, "features", noted)
    return names


def settings(model: Path, **changes: Any) -> TrainConfig:
    return tones.config(**{"dataset": "noise", "model": str(model), "targets": "voice", "max_steps": 6, **changes})


def learnt(workspace: Path, run: str, config: TrainConfig) -> bytes:
    """The adapter that a whole run leaves."""
    tones.train(workspace, run, config)
    return tones.adapter(workspace, run)


def recogniser_of(folder: Path, targets: str = "voice") -> Recogniser:
    return adapters.attach(load(folder, "cpu"), 4, 8, 0.0, targets, seed=0)


def noise(seconds: float = 0.5, seed: int = 0) -> Clip:
    return Clip(tiny_models.noise(seconds, seed), "order 12", f"clip-{seed}")


def kept(workspace: Path) -> list[Path]:
    return sorted(Workspace(workspace).features.rglob("*.features"))


@pytest.mark.thorough
@pytest.mark.parametrize("targets", ["voice", "deep"])
def test_a_run_learns_the_same_to_the_bit_from_memory_from_a_new_cache_and_from_an_old_one(
    targets: str, workspace: Path, model: Path, monkeypatch: pytest.MonkeyPatch, computed: list[str]
) -> None:
    monkeypatch.setattr("studio.train.augment.PACE_SHARE", 0.0)  # librosa compiles for half a minute
    monkeypatch.setattr("studio.train.augment.PITCH_SHARE", 0.0)
    config = settings(model, targets=targets, augment=1)
    with monkeypatch.context() as patch:
        patch.setattr("studio.train.encoding.open_cache", lambda *_: None)
        from_memory = learnt(workspace, "memory", config)
    assert not kept(workspace)
    assert learnt(workspace, "new", config) == from_memory
    computed.clear()
    assert learnt(workspace, "old", config) == from_memory
    assert computed == []


@pytest.mark.thorough
def test_what_is_in_the_cache_serves_every_adapter_that_leaves_the_encoder_alone(
    workspace: Path, model: Path, computed: list[str]
) -> None:
    learnt(workspace, "voice", settings(model))
    computed.clear()
    learnt(workspace, "conventions", settings(model, targets="conventions", rank=2, seed=3))
    assert computed == []
    learnt(workspace, "deep", settings(model, targets="deep"))
    assert len(computed) == 8  # train and validation


def test_validation_clips_are_encoded_once_a_run_and_held_out_clips_whenever_they_are_timed(
    workspace: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    from_sound = EncoderDecoder.transcribe_batch

    def noted(self: Any, model: Any, processor: Any, clips: Sequence[Clip]) -> Any:
        heard.extend(clip.id for clip in clips)
        return from_sound(self, model, processor, clips)

    monkeypatch.setattr(EncoderDecoder, "transcribe_batch", noted)
    learnt(workspace, "run", settings(model, eval_every=2))
    clips = {clip.id: clip.split for clip in Dataset.open(workspace / "recordings" / "noise").utterances()}
    assert {clips[name] for name in heard if name in clips} == {"test"}


@pytest.mark.thorough
def test_a_corrected_label_costs_no_encoding_and_a_cut_clip_is_encoded_alone(
    workspace: Path, model: Path, computed: list[str]
) -> None:
    learnt(workspace, "before", settings(model))
    computed.clear()
    dataset = Dataset.open(workspace / "recordings" / "noise")
    first, second = [clip for clip in dataset.utterances() if clip.split == "train"][:2]
    dataset.edit(first.id, text="something else")
    write_wav(dataset.clip_path(second), tiny_models.noise(0.3, 99), 16_000)
    learnt(workspace, "after", settings(model))
    assert computed == [second.id]


@pytest.mark.thorough
@pytest.mark.parametrize("harm", ["torn", "altered", "empty", "exchanged", "gone", "nonsense"])
def test_a_file_that_is_not_whole_is_computed_again_and_mended(
    harm: str, workspace: Path, model: Path, computed: list[str]
) -> None:
    expected = learnt(workspace, "first", settings(model))
    files = kept(workspace)
    whole = [path.read_bytes() for path in files]
    for path, content in zip(files, whole, strict=True):
        _harm(path, content, harm, other=whole[0] if content != whole[0] else whole[1])
    computed.clear()
    assert learnt(workspace, "second", settings(model)) == expected
    assert len(set(computed)) == len(files)
    assert [path.read_bytes() for path in kept(workspace)] == whole


def _harm(path: Path, content: bytes, harm: str, other: bytes) -> None:
    altered = content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]
    made = {"torn": content[: len(content) // 2], "empty": b"", "altered": altered, "exchanged": other}
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(made.get(harm, b"\xff" * 1000))


@pytest.mark.parametrize("kind", MAKERS)
def test_the_same_sound_has_one_key_and_everything_that_changes_features_another(kind: str, tmp_path: Path) -> None:
    folder = MAKERS[kind](tmp_path / "model")
    recogniser = recogniser_of(folder)
    first, clip = FeatureCache(tmp_path / "cache", recogniser), noise()
    again = FeatureCache(tmp_path / "cache", recogniser_of(folder, "conventions"))
    assert first.key(clip) == again.key(Clip(clip.samples.copy(), "another text", "another name"))
    others = [first.key(noise(seed=1)), FeatureCache(tmp_path, recogniser_of(folder, "deep")).key(clip)]
    others.append(FeatureCache(tmp_path, load(folder, "cpu", "bf16")).key(clip))
    weight = next(iter(recogniser.model.get_base_model().model.encoder.parameters()))
    weight.data.flatten()[0] += 1e-3
    others.append(FeatureCache(tmp_path, recogniser).key(clip))
    assert len({first.key(clip), *others}) == 1 + len(others)


def test_features_come_back_exactly_in_every_precision(tmp_path: Path, model: Path) -> None:
    import torch

    for precision in ("fp32", "bf16"):
        recogniser = load(model, "cpu", precision)
        cache, clip = FeatureCache(tmp_path / precision, recogniser), noise()
        features = recogniser.family.features(recogniser.model, recogniser.processor, clip)  # type: ignore[attr-defined]
        assert cache.read(cache.key(clip)) is None
        assert cache.write(cache.key(clip), features)
        back = cache.read(cache.key(clip))
        assert back is not None
        assert back["memory"].dtype == features["memory"].dtype
        assert torch.equal(back["memory"], features["memory"])


def test_beyond_the_bound_the_longest_unused_go_first_and_never_those_in_use(tmp_path: Path, model: Path) -> None:
    recogniser = load(model, "cpu")
    earlier = FeatureCache(tmp_path, recogniser)
    row = {"memory": _zeros()}
    old = [earlier.key(noise(seed=seed)) for seed in range(4)]
    for age, key in enumerate(reversed(old)):
        assert earlier.write(key, row)
        os.utime(tmp_path / key[:2] / f"{key}.features", (age, age))
    one = size_of(tmp_path) // 4
    cache = FeatureCache(tmp_path, recogniser, most_bytes=5 * one)
    assert cache.has(old[3])  # the oldest, but used now
    new = [cache.key(noise(seed=seed)) for seed in range(10, 13)]
    assert all(cache.write(key, row) for key in new)
    assert size_of(tmp_path) <= 5 * one
    assert all(cache.read(key) is not None for key in (*new, old[3], old[0]))
    assert cache.read(old[2]) is None


def _zeros() -> Any:
    import torch

    return torch.zeros(100, 64)


@pytest.mark.thorough
def test_where_the_disk_is_full_the_run_goes_on_in_memory_and_says_so(
    workspace: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = learnt(workspace, "roomy", settings(model))
    for path in kept(workspace):
        path.unlink()
    monkeypatch.setattr(feature_cache, "LEFT_FREE", 10**18)
    events = tones.train(workspace, "full", settings(model))
    told = [event.message for event in events if isinstance(event, Warned) and "no room" in event.message]
    assert len(told) == 1
    assert "8 clips" in told[0]
    assert str(Workspace(workspace).features) in told[0]
    assert tones.adapter(workspace, "full") == expected
    assert not kept(workspace)


@pytest.mark.thorough
def test_a_cache_that_cannot_be_written_costs_nothing_but_time(workspace: Path, model: Path) -> None:
    Workspace(workspace).features.parent.mkdir()
    Workspace(workspace).features.write_text("a file in its place")
    events = tones.train(workspace, "run", settings(model))
    assert any(isinstance(event, Warned) and "no room" in event.message for event in events)
    assert tones.adapter(workspace, "run")


@pytest.fixture
def here(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace, in which encoding happens without a whole run."""
    monkeypatch.setenv("STUDIO_WORKSPACE", str(workspace))
    return workspace


def encoding_set_of(workspace: Path, recogniser: Recogniser) -> EncodingSet:
    dataset = Dataset.open(workspace / "recordings" / "noise")
    clips: list[Utterance] = [clip for clip in dataset.utterances() if clip.split == "train"]
    encoding_set = EncodingSet(dataset, clips)
    for _ in encode(recogniser, [encoding_set], tones.go_on, Workspace(workspace).features):
        pass
    return encoding_set


def test_features_and_sound_that_both_change_during_a_run_are_never_mixed_up(here: Path, model: Path) -> None:
    recogniser = recogniser_of(model)
    encoding_set = encoding_set_of(here, recogniser)
    before = encoding_set.rows[0]
    for path in kept(here):
        path.write_bytes(b"torn")
    assert np.array_equal(encoding_set.rows[0]["memory"].numpy(), before["memory"].numpy())
    write_wav(encoding_set.dataset.clip_path(encoding_set.clips[1]), tiny_models.noise(0.6, 5), 16_000)
    with pytest.raises(DataError, match=r"changed during training"):
        encoding_set.rows[1]


def test_rows_on_the_disk_take_no_memory_for_their_features(here: Path, model: Path) -> None:
    recogniser = recogniser_of(model)
    encoding_set = encoding_set_of(here, recogniser)
    import torch

    held = [thing for row in encoding_set.rows._rows for thing in _tensors_in(row)]
    assert held
    assert all(tensor.dtype == torch.int64 for tensor in held)  # token ids alone
    assert [set(row) for row in encoding_set.rows[0:2]] == [{"inputs", "labels", "memory"}] * 2


def _tensors_in(row: Any) -> list[Any]:
    return list((row if isinstance(row, dict) else row.labels).values())


def test_a_run_whose_clip_changes_under_a_broken_cache_fails_with_a_sentence(
    workspace: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.train import stages

    encode_all: Callable[..., Any] = stages.encode

    def then_break(*given: Any) -> Any:
        yield from encode_all(*given)
        for path in kept(workspace):
            path.unlink()
        for path in (workspace / "recordings" / "noise" / "clips").iterdir():
            path.unlink()

    monkeypatch.setattr(stages, "encode", then_break)
    seen: list[Event] = []
    with pytest.raises(DataError):
        seen.extend(tones.logged(workspace, "run", settings(model), False))
    del seen
    log = tones.folder_of(workspace, "run").events.read_text()
    assert Failed(message="x").type in log
