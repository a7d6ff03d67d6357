"""Many clips come in whole or not at all; each bad one is refused by itself."""

from __future__ import annotations

from pathlib import Path

import filelock
import pytest
import soundfile
from sounds import encoded, recording, saved, tone

from studio.audio import read, to_16_bit
from studio.audio.recording import fingerprint
from studio.data.import_export import intake as room
from studio.data.manifest import Dataset
from studio.data.splits.grouping import sentence
from studio.errors import DataError, DiskError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "voice")


def test_nothing_is_seen_until_the_block_ends_and_then_all_of_it(dataset: Dataset) -> None:
    kept = dataset.add(recording(0), text="kept")
    with dataset.intake("Three clips from a folder") as intake:
        clips = [intake.add(recording(seed), text=f"sentence {seed}", session="monday") for seed in range(1, 4)]
        assert dataset.utterances() == [kept]
        assert dataset.problems() == []
    assert dataset.utterances() == [kept, *clips]
    assert dataset.problems() == []
    assert {clip.session for clip in clips} == {"monday"}
    assert not dataset.incoming.exists() or not list(dataset.incoming.iterdir())
    assert dataset.history()[0].what == "Three clips from a folder"
    dataset.undo()
    assert dataset.utterances() == [kept]
    assert dataset.trashed() == clips


def test_an_error_in_the_block_leaves_the_dataset_as_it_was(dataset: Dataset) -> None:
    dataset.add(recording(0), text="kept")
    before = dataset.manifest.read_bytes()
    with pytest.raises(ZeroDivisionError), dataset.intake() as intake:  # noqa: PT012
        intake.add(recording(1), text="lost")
        raise ZeroDivisionError
    assert dataset.manifest.read_bytes() == before
    assert dataset.problems() == []
    assert dataset.history() == []
    assert list(dataset.incoming.iterdir()) == []


def test_a_bad_row_is_refused_alone(dataset: Dataset, tmp_path: Path) -> None:
    with dataset.intake() as intake:
        for audio, text in ((b"no sound", "yes"), (recording(1), " "), (tmp_path / "missing.wav", "yes")):
            with pytest.raises((DataError, DiskError)):
                intake.add(audio, text=text)
        intake.add(recording(1), text="good")
        with pytest.raises(DataError, match="is there already"):
            intake.add(recording(1), text="the same sound")
    assert [clip.text for clip in dataset.utterances()] == ["good"]
    assert len(list((dataset.folder / "clips").iterdir())) == 1


def test_known_samples_are_told_whatever_file_they_come_in(dataset: Dataset) -> None:
    samples = to_16_bit(tone())
    clip = dataset.add(encoded(samples, 16_000), text="yes")
    with dataset.intake() as intake:
        assert clip.audio_sha256 in intake
        new = read(recording(5))
        assert fingerprint(new) not in intake
        intake.add(new, text="a waveform")
        assert fingerprint(new) in intake
        with pytest.raises(DataError, match="is there already"):
            intake.add(encoded(samples, 16_000, "FLAC"), text="yes")


def test_a_linked_clip_shares_its_file_and_survives_the_original(dataset: Dataset, tmp_path: Path) -> None:
    original = saved(tmp_path / "a b.flac", encoded(tone(), 16_000, "FLAC"))
    with dataset.intake() as intake:
        clip = intake.add(original, text="yes", link=original)
    path = dataset.clip_path(clip)
    assert path.suffix == ".flac"
    assert path.stat().st_ino == original.stat().st_ino
    original.unlink()
    assert soundfile.info(path).samplerate == 16_000
    assert dataset.problems() == []


def test_where_a_file_cannot_be_linked_it_is_copied(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = saved(tmp_path / "a.wav", recording())

    def refuse(*_: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with dataset.intake() as intake:
        clip = intake.add(original, text="yes", link=original)
    assert dataset.clip_path(clip).is_file()
    assert dataset.clip_path(clip).stat().st_ino != original.stat().st_ino


def test_one_sentence_falls_on_one_side_within_an_import_and_with_what_came_meanwhile(dataset: Dataset) -> None:
    with dataset.intake() as intake:
        for seed in range(20):
            intake.add(recording(seed), text=f"sentence {seed % 5}")
        dataset.add(recording(99), text="sentence 1", split="validation")
        dataset.add(recording(98), text="sentence 2", split="test")
    sides: dict[frozenset[str], set[str]] = {}
    for clip in dataset.utterances():
        sides.setdefault(sentence(clip), set()).add(clip.split)
    assert all(len(found) == 1 for found in sides.values()), sides
    assert dataset.problems() == []


def test_keys_of_another_program_are_kept_but_cannot_stand_for_ours(dataset: Dataset) -> None:
    with dataset.intake() as intake:
        clip = intake.add(recording(), text="yes", extra={"lang": "en", "id": "../x", "audio_filepath": "/etc/passwd"})
    again = Dataset(dataset.folder).get(clip.id)
    assert again.model_extra == {"lang": "en"}
    assert again.audio_filepath == f"clips/{clip.id}.wav"


def test_what_a_killed_import_left_is_swept_and_one_at_work_is_not(dataset: Dataset) -> None:
    dead, alive = dataset.incoming / "dead", dataset.incoming / "alive"
    for folder in (dead, alive):
        saved(folder / "clips" / "a.wav", recording())
        (folder / ".lock").touch()
    with filelock.FileLock(alive / ".lock"):
        dataset.add(recording(), text="any write")
        assert (dead.exists(), alive.exists()) == (False, True)


def test_many_files_are_flushed_at_once(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(room, "FEW", 2)
    monkeypatch.setattr(room.os, "sync", lambda: flushed.append(1))
    with dataset.intake() as intake:
        for seed in range(3):
            intake.add(recording(seed), text=f"sentence {seed}")
    assert flushed == [1]
    assert len(dataset.utterances()) == 3


def test_an_intake_of_nothing_is_no_action(dataset: Dataset) -> None:
    with dataset.intake():
        pass
    assert dataset.history() == []
