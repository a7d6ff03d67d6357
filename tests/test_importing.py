"""Files that exist already come in; what cannot is said, with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import encoded, recording, saved, tone

from studio.data.importing import import_files
from studio.data.manifest import Dataset
from studio.errors import ModelError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "voice")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


def labelled(path: Path, content: bytes, label: str) -> Path:
    path.with_suffix(".txt").parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".txt").write_text(label)
    return saved(path, content)


def test_wav_flac_and_mp3_come_in_as_mono_wav_at_their_own_rate(dataset: Dataset, folder: Path) -> None:
    stereo = np.stack([tone(rate=44_100), np.zeros(22_050, np.float32)], axis=1)
    labelled(folder / "a.WAV", encoded(stereo, 44_100, subtype="PCM_24"), "order 129\n")
    labelled(folder / "deep" / "b.flac", encoded(tone(pitch=300), 16_000, "FLAC"), "yes")
    labelled(folder / "c.mp3", encoded(tone(pitch=400), 16_000, "MP3", "MPEG_LAYER_III"), "\ufeffno")
    before = sorted(path.read_bytes() for path in folder.rglob("*.*"))
    report = import_files(dataset, [folder])
    assert report.skipped == []
    clips = [dataset.get(id) for id in report.added]
    assert [(clip.text, clip.source) for clip in clips] == [
        ("order 129", "import"),
        ("no", "import"),
        ("yes", "import"),
    ]
    infos = [soundfile.info(dataset.clip_path(clip)) for clip in clips]
    assert [(info.samplerate, info.channels, info.subtype) for info in infos] == [
        (44_100, 1, "PCM_16"),
        (16_000, 1, "PCM_16"),
        (16_000, 1, "PCM_16"),
    ]
    assert sorted(path.read_bytes() for path in folder.rglob("*.*")) == before


def test_a_clip_without_a_text_file_gets_the_transcript(dataset: Dataset, folder: Path) -> None:
    path = saved(folder / "a.wav", recording())
    assert "a.txt" in import_files(dataset, [path]).skipped[0][1]
    report = import_files(dataset, [path], text_for=lambda clip: f"heard in {clip.name}")
    assert dataset.get(report.added[0]).text == "heard in a.wav"


def test_every_bad_file_is_skipped_with_its_reason_and_the_good_one_comes_in(dataset: Dataset, folder: Path) -> None:
    good = labelled(folder / "good.wav", recording(), "yes")
    bad = {
        "silent": labelled(folder / "silent.wav", encoded(np.zeros(9000, np.float32), 16_000), "yes"),
        "not a sound file": labelled(folder / "text.wav", b"a text", "yes"),
        "0.02 s": labelled(folder / "short.wav", encoded(tone(0.02), 16_000), "yes"),
        "The label is empty": labelled(folder / "empty.wav", recording(3), " \n"),
        "not UTF-8": saved(folder / "latin.wav", recording(4)),
        "No such file": folder / "gone.wav",
        "Convert it": labelled(folder / "phone.m4a", b"....ftypM4A", "yes"),
        "same recording": labelled(folder / "again.flac", encoded(np.zeros(1, np.float32), 16_000, "FLAC"), "yes"),
    }
    (folder / "latin.txt").write_bytes("grün".encode("latin-1"))
    saved(folder / "again.flac", encoded(soundfile.read(good, dtype="int16")[0], 16_000, "FLAC"))
    report = import_files(dataset, [good, *bad.values()])
    assert [clip.text for clip in dataset.utterances()] == ["yes"]
    assert [name for name, _ in report.skipped] == [path.name for path in bad.values()]
    for (name, reason), sentence in zip(report.skipped, bad, strict=True):
        assert sentence in reason, name
    assert dataset.problems() == []


def test_importing_twice_adds_nothing(dataset: Dataset, folder: Path) -> None:
    for seed in range(3):
        labelled(folder / f"{seed}.wav", recording(seed), f"sentence {seed}")
    assert len(import_files(dataset, [folder]).added) == 3
    report = import_files(dataset, [folder])
    assert (report.added, len(report.skipped)) == ([], 3)


def test_a_model_that_cannot_transcribe_is_a_reason_too(dataset: Dataset, folder: Path) -> None:
    def text_for(path: Path) -> str:
        raise ModelError("The model is missing.", "Choose another.")

    report = import_files(dataset, [saved(folder / "a.wav", recording())], text_for)
    assert report.skipped == [("a.wav", "The model is missing. Choose another.")]


def test_a_folder_without_sound_says_so_and_hidden_files_are_none(dataset: Dataset, folder: Path) -> None:
    saved(folder / "._a.wav", b"\x00\x05\x16\x07")
    saved(folder / "readme.md", b"")
    assert import_files(dataset, [folder]).skipped == [("files", "The folder holds no WAV, FLAC or MP3 files.")]


def test_the_rows_of_a_manifest_come_in_and_long_files_are_cut(dataset: Dataset, folder: Path) -> None:
    saved(folder / "long.wav", encoded(np.concatenate([tone(80), tone(1, pitch=500), tone(5)]), 16_000))
    saved(folder / "a.wav", recording())
    rows = [
        {"audio_filepath": "long.wav", "text": "in the middle", "offset": 80.0, "duration": 1.0, "speaker": "ada"},
        {"audio_filepath": str(folder / "a.wav"), "text": "yes", "duration": 0.5, "split": "test", "prompt": "Yes!"},
        {"audio_filepath": "long.wav", "text": "too long", "duration": 86},
        {"audio_filepath": "../secret.wav", "text": "no", "duration": 1},
        {"audio_filepath": "a.wav", "text": "no", "duration": 1, "offset": "x"},
        {"text": "no"},
    ]
    lines = [json.dumps(row) for row in rows] + ["torn {", '"text"', "[]", ""]
    manifest = saved(folder / "train.jsonl", "\n".join(lines).encode())
    report = import_files(dataset, [manifest])
    middle, yes = (dataset.get(id) for id in report.added)
    assert (middle.text, middle.speaker, middle.duration) == ("in the middle", "ada", 1.0)
    assert (yes.text, yes.split, yes.prompt) == ("yes", "test", "Yes!")
    assert [name for name, _ in report.skipped][:2] == ["train.jsonl line 3 (long.wav)", "train.jsonl line 4"]
    reasons = [reason for _, reason in report.skipped]
    for sentence, reason in zip(["86 s", "outside", "not a number"] + ["not a line"] * 4, reasons, strict=True):
        assert sentence in reason


def test_another_dataset_comes_in_with_its_labels_and_splits(dataset: Dataset, tmp_path: Path) -> None:
    other = Dataset.create(tmp_path / "other")
    for seed, split in enumerate(("train", "validation", "test")):
        other.add(recording(seed), text=f"sentence {seed}", prompt=f"card {seed}", split=split)
    import_files(dataset, [other.folder])
    kept = ("text", "prompt", "split", "duration", "audio_sha256")
    assert [clip.model_dump(include={*kept}) for clip in dataset.utterances()] == [
        clip.model_dump(include={*kept}) for clip in other.utterances()
    ]


def test_real_speech_comes_in(dataset: Dataset, speech_folder: Path) -> None:
    rows = [json.loads(line) for line in (speech_folder / "metadata.jsonl").read_text().splitlines()[:8]]
    texts = {speech_folder / row["file_name"]: row["text"] for row in rows}
    report = import_files(dataset, texts, text_for=texts.__getitem__)
    assert (len(report.added), report.skipped) == (8, [])
    assert dataset.problems() == []
