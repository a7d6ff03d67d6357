"""Words that appear while a person speaks: with their times, and the same as of the whole recording."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import timed
import tiny_models
from fastapi import FastAPI
from fastapi.testclient import TestClient
from test_pauses import teach
from timed import RATE
from verbs import call

from studio.audio import read, resample, wav_bytes, write_wav
from studio.errors import DataError, ModelError
from studio.inference import live
from studio.inference.alignment import aligner
from studio.inference.live import LiveTurn
from studio.inference.worker.host import ModelHost
from studio.models import Clip, load
from studio.models.active_adapter import BASE
from studio.models.adapters import attach, save, trainable
from studio.models.base import Listens
from studio.ui import listen
from studio.workspace import Workspace

CLIPS = [timed.clip(words, seed=seed) for seed, words in enumerate(timed.orders(3))]
MICROPHONE = 48_000  # Hz


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt CLIPS by heart."""
    recogniser = load(tiny_models.kyutai(tmp_path_factory.mktemp("random")), "cpu")
    teach(recogniser, CLIPS, [*recogniser.model.model.parameters(), *recogniser.model.lm_head.parameters()], 80, 5e-3)
    recogniser.family.save(recogniser.model, recogniser.processor, at := tmp_path_factory.mktemp("learnt"))
    return at


@pytest.fixture(scope="module")
def adapter(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that makes “hold” of “order”."""
    return saved(folder, tmp_path_factory.mktemp("run") / "lora_adapter")


def saved(folder: Path, at: Path, **kind: Any) -> Path:
    tuned = attach(load(folder, "cpu"), 8, 16, 0.0, "full", seed=0, **kind)
    clips = []
    for clip in CLIPS:
        words = [("hold" if word == "order" else word, times) for word, times in clip.words or ()]
        clips.append(Clip(clip.samples, " ".join(word for word, _ in words), clip.id, words))
    teach(tuned, clips, trainable(tuned), 40, 1e-2)
    save(tuned, at)
    return at


def recorded(clip: Clip, path: Path) -> bytes:
    """`clip` as the page's recorder writes it."""
    write_wav(path, resample(clip.samples, RATE, MICROPHONE), MICROPHONE)
    return path.read_bytes()


def pieces(sound: bytes, seconds: float) -> list[tuple[int, bytes]]:
    """Parts of a WAV as the page sends them: from which sample on, and the part as a WAV."""
    samples, rate = soundfile.read(io.BytesIO(sound), dtype="float32")
    starts = range(0, len(samples), round(seconds * rate))
    return [(start, wav_bytes(samples[start : start + round(seconds * rate)], rate)) for start in starts]


def listened(host: ModelHost, sound: bytes, model: Path, adapters: list[Path], folder: Path) -> list[dict[str, Any]]:
    """What the far end answers to each piece."""
    answers = []
    for at, piece in pieces(sound, 0.24):
        (folder / "piece.wav").write_bytes(piece)
        names = [str(adapter) for adapter in adapters]
        answers.append(host.listen(str(model), names, str(folder / "piece.wav"), "turn-1", at))
    return answers


@pytest.mark.thorough
def test_a_word_begins_where_it_was_said_to_a_frame(folder: Path) -> None:
    recogniser = load(folder, "cpu")
    for clip in CLIPS:
        found = recogniser.family.transcribe(recogniser.model, recogniser.processor, clip)
        assert [word for word, _ in found.words or ()] == clip.text.split()
        for start, (_, (said, _)) in zip(found.starts or (), clip.words or (), strict=True):
            assert said - 0.08 <= start <= said + 1e-6


@pytest.mark.thorough
def test_words_and_times_while_speaking_are_those_of_the_whole_without_and_with_the_adapter(
    folder: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SLOWEST", 1e9)
    clip = Clip(np.concatenate([CLIPS[1].samples, np.zeros(2 * RATE, np.float32)]), CLIPS[1].text)
    sound, host = recorded(clip, tmp_path / "said.wav"), ModelHost()
    *_, last = answers = listened(host, sound, folder, [adapter], tmp_path)
    (tmp_path / "said.wav").write_bytes(sound)
    whole = host.transcribe_each(str(folder), [str(adapter)], str(tmp_path / "said.wav"), [], 2.0)
    assert [reader["reader"] for reader in last["readers"]] == [0, 1]
    for reader, offline in zip(last["readers"], whole, strict=True):
        assert [word for word, _ in reader["words"]] == offline["plain"]["text"].split()
        assert reader["starts"] == offline["plain"]["starts"]
        chances = [chance for _, chance in offline["plain"]["words"]]
        assert [chance for _, chance in reader["words"]] == pytest.approx(chances, abs=1e-3)
    base, tuned = (" ".join(word for word, _ in reader["words"]) for reader in last["readers"])
    assert (base.split()[0], tuned.split()[0]) == ("order", "hold")
    counts = [len(answer["readers"][0]["words"]) for answer in answers]
    assert counts == sorted(counts)  # a word that is written stays
    assert len(set(counts)) == counts[-1] + 1  # and they come one by one
    assert last["heard"] == len(soundfile.read(io.BytesIO(sound))[0])


def test_a_word_is_written_half_a_second_after_it_was_said(folder: Path, tmp_path: Path) -> None:
    sound = recorded(Clip(np.concatenate([CLIPS[0].samples, np.zeros(RATE, np.float32)])), tmp_path / "said.wav")
    *_, last = answers = listened(ModelHost(), sound, folder, [], tmp_path)
    for answer in answers:
        heard = answer["heard"] / MICROPHONE - 0.03  # what the resampler keeps back
        written = answer["readers"][0]["starts"]
        assert written == last["readers"][0]["starts"][: len(written)]
        due = [start for start in last["readers"][0]["starts"] if start + 0.5 <= heard - 0.08]
        assert 0 <= len(written) - len(due) <= 1


@pytest.mark.thorough
def test_a_reader_that_falls_behind_leaves_the_tuned_model_alone_and_stays_out_of_the_next_turn(
    folder: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SLOWEST", 0.0)
    clip = Clip(np.concatenate([CLIPS[1].samples, np.zeros(2 * RATE, np.float32)]))
    sound, host = recorded(clip, tmp_path / "said.wav"), ModelHost()
    *_, last = answers = listened(host, sound, folder, [adapter], tmp_path)
    assert [reader["reader"] for reader in answers[0]["readers"]] == [0, 1]
    assert [reader["reader"] for reader in last["readers"]] == [1]
    (tmp_path / "said.wav").write_bytes(sound)
    whole = host.transcribe_each(str(folder), [str(adapter)], str(tmp_path / "said.wav"), [], 2.0)[1]["plain"]
    assert [word for word, _ in last["readers"][0]["words"]] == whole["text"].split()
    assert last["readers"][0]["starts"] == whole["starts"]
    _, piece = pieces(sound, 0.24)[0]
    (tmp_path / "piece.wav").write_bytes(piece)
    again = host.listen(str(folder), [str(adapter)], str(tmp_path / "piece.wav"), "turn-2", 0)
    assert [reader["reader"] for reader in again["readers"]] == [1]


@pytest.mark.thorough
def test_adapters_that_cannot_share_a_batch_read_side_by_side(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SLOWEST", 1e9)
    adapter = saved(folder, tmp_path / "dora", dora=True)
    clip = Clip(np.concatenate([CLIPS[1].samples, np.zeros(2 * RATE, np.float32)]))
    *_, last = listened(ModelHost(), recorded(clip, tmp_path / "said.wav"), folder, [adapter], tmp_path)
    assert [reader["words"][0][0] for reader in last["readers"]] == ["order", "hold"]


def test_sound_that_the_model_does_not_know_is_asked_for_again_from_the_start(folder: Path, tmp_path: Path) -> None:
    sound = recorded(CLIPS[0], tmp_path / "said.wav")
    (at, first), (later, second), *_ = pieces(sound, 0.24)
    path, host = tmp_path / "piece.wav", ModelHost()
    path.write_bytes(second)
    assert host.listen(str(folder), [], str(path), "turn", later) == {"heard": 0, "readers": []}
    path.write_bytes(first)
    assert host.listen(str(folder), [], str(path), "turn", at)["heard"] == later
    assert host.listen(str(folder), [], str(path), "turn", 2 * later)["heard"] == later  # a part is missing
    path.write_bytes(second)
    assert host.listen(str(folder), [], str(path), "turn", later)["heard"] == 2 * later
    assert host.listen(str(folder), [], str(path), "another", later)["heard"] == 0


def test_what_was_not_read_since_the_whole_utterance_was_wanted_is_read_with_the_next_piece(folder: Path) -> None:
    recogniser, samples = load(folder, "cpu"), np.concatenate([CLIPS[0].samples, np.zeros(RATE, np.float32)])
    turn = LiveTurn("turn", recogniser, [BASE], RATE)
    for piece in np.array_split(samples, 5):
        turn.hear(piece, lambda: True)  # a frame at each call
    assert not turn.words()[0].words
    turn.hear(samples[:0], lambda: False)
    assert [word for word, _ in turn.words()[0].words] == CLIPS[0].text.split()


def test_a_turn_without_end_and_a_model_that_cannot_listen_are_sentences(folder: Path) -> None:
    turn = LiveTurn("turn", load(folder, "cpu"), [BASE], RATE)
    with pytest.raises(DataError, match="longer than 30 s") as refused:
        turn.hear(np.zeros(31 * RATE, np.float32), lambda: False)
    assert refused.value.remedy == "Pause sooner."
    assert not isinstance(load("echo", "cpu").family, Listens)
    with pytest.raises(DataError, match="echo does not write words during speech"):
        LiveTurn("turn", load("echo", "cpu"), [BASE], RATE)


class Here:
    """The far end of the worker, in this process."""

    def __init__(self, folder: Path) -> None:
        self.host, self.path = ModelHost(), folder / "here.wav"

    def listen(self, sound: bytes, model: str, adapters: list[Path], turn: str, at: int) -> dict[str, Any]:
        self.path.write_bytes(sound)
        return self.host.listen(model, [str(adapter) for adapter in adapters], str(self.path), turn, at)

    def prepare(self, model: str, adapters: list[Path]) -> None:
        self.host.prepare(model, [str(adapter) for adapter in adapters])


def test_the_page_is_told_that_a_model_listens_and_gets_each_word_with_its_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.base_models.known", lambda _, model: model)
    app = FastAPI()
    app.include_router(listen.router(Workspace(tmp_path), Here(tmp_path)))  # type: ignore[arg-type]
    clip = Clip(np.concatenate([CLIPS[2].samples, np.zeros(RATE, np.float32)]))
    with TestClient(app) as client:
        assert client.post("/studio/listen/prepare", data={"model": str(folder)}).json()["listens"] is True
        assert client.post("/studio/listen/prepare", data={"model": "echo"}).json()["listens"] is False
        for at, piece in pieces(recorded(clip, tmp_path / "said.wav"), 0.4):
            sound = {"sound": ("said.wav", piece, "audio/wav")}
            fields = {"model": str(folder), "turn": "a", "at": str(at)}
            answer = client.post("/studio/listen/live", files=sound, data=fields).json()
    (column,) = answer["columns"]
    recogniser = load(folder, "cpu")
    whole = recogniser.family.transcribe(
        recogniser.model, recogniser.processor, Clip(read(tmp_path / "said.wav", RATE).samples)
    )
    assert column["run"] == ""
    assert column["starts"] == whole.starts
    assert [word for word, _ in column["words"]] == whole.text.split()


def test_word_times_of_a_transcript_are_those_of_the_models_own_frames(folder: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "said.wav", CLIPS[0].samples, RATE)
    answer = call(tmp_path, "transcribe", str(tmp_path / "said.wav"), "--model", str(folder), "--words")
    assert answer.code == 0, answer.said
    (row,) = json.loads(answer.said)["clips"]
    assert [word for word, _ in row["word_times"]] == CLIPS[0].text.split()
    starts, ends = zip(*(times for _, times in row["word_times"]), strict=True)
    assert starts == pytest.approx([start for _, (start, _) in CLIPS[0].words or ()], abs=0.081)
    assert [*ends] == [*starts[1:], row["seconds"]]


def test_labels_are_not_timed_by_a_model_that_writes_its_own_words_alone(folder: Path) -> None:
    with pytest.raises(ModelError, match="does not show when words are said"):
        aligner.chosen(str(folder), "cpu")
