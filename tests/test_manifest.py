"""A dataset on disk: what is added stays, what is wrong is said, what is thrown away comes back."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import encoded, recording, saved, tone

from studio.audio import to_16_bit, wav_bytes
from studio.data.manifest import Dataset, Utterance
from studio.data.utterance import checked_label
from studio.errors import AudioError, DataError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "recordings" / "voice")


def files(dataset: Dataset) -> set[str]:
    return {str(path.relative_to(dataset.folder)) for path in dataset.folder.rglob("*") if path.is_file()}


def append(dataset: Dataset, text: str) -> None:
    with dataset.manifest.open("a") as stream:
        stream.write(text)


def test_an_added_clip_is_whole_at_its_own_rate_and_stands_in_the_manifest(dataset: Dataset) -> None:
    samples = tone(0.75, 44_100)
    clip = dataset.add(wav_bytes(samples, 44_100), text="  order\n129 ", prompt="order 1 2 9", speaker="ada")
    assert (clip.text, clip.prompt, clip.speaker, clip.source) == ("order 129", "order 1 2 9", "ada", "microphone")
    assert clip.duration == pytest.approx(0.75, abs=1e-4)
    assert clip.quality is not None
    assert (clip.quality["peak_db"], clip.quality["rms_db"]) == (-10.5, -13.5)
    assert clip.created_at.endswith("+00:00")
    steps, rate = soundfile.read(dataset.clip_path(clip), dtype="int16")
    assert rate == 44_100
    assert np.array_equal(steps, to_16_bit(samples))
    assert Dataset.open(dataset.folder).utterances() == [clip]
    assert json.loads(dataset.manifest.read_text())["audio_filepath"] == f"clips/{clip.id}.wav"
    assert dataset.problems() == []


def test_a_folder_without_a_manifest_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no dataset"):
        Dataset.open(tmp_path / "nothing")


def test_a_dataset_can_be_moved(dataset: Dataset, tmp_path: Path) -> None:
    clip = dataset.add(recording(), text="yes")
    shutil.move(dataset.folder, tmp_path / "elsewhere")
    moved = Dataset.open(tmp_path / "elsewhere")
    assert moved.clip_path(moved.get(clip.id)).is_file()


@pytest.mark.parametrize("label", ["", "  \n ", "...", "\x00"])
def test_an_empty_label_is_refused_and_nothing_is_left_behind(dataset: Dataset, label: str) -> None:
    before = files(dataset)
    with pytest.raises(DataError, match="Write what was said"):
        dataset.add(recording(), text=label)
    clip = dataset.add(recording(), text="yes")
    with pytest.raises(DataError, match="Write what was said"):
        dataset.edit(clip.id, text=label)
    assert dataset.utterances() == [clip]
    assert files(dataset) - before == {f"clips/{clip.id}.wav", ".lock"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"a text", "not a sound file"),
        (encoded(np.zeros(0, np.float32), 16_000), "no sound"),
        (encoded(np.zeros(9000, np.float32), 16_000), "silent"),
        (encoded(tone(0.02), 16_000), "0.02 s"),
        (encoded(np.tile(tone(60, 8001), 40), 8001, "FLAC"), "more than 2 min"),
        (encoded(np.full(9000, np.nan, np.float32), 16_000, subtype="FLOAT"), "not numbers"),
    ],
    ids=["empty", "text", "no frames", "silent", "short", "40 min", "nan"],
)
def test_a_bad_recording_is_refused_by_name_and_nothing_is_left_behind(
    dataset: Dataset, content: bytes, sentence: str, tmp_path: Path
) -> None:
    before = files(dataset)
    path = saved(tmp_path / "bad.wav", content)
    with pytest.raises(AudioError, match=sentence) as refused:
        dataset.add(path, text="yes")
    assert "bad.wav" in str(refused.value)
    assert refused.value.remedy
    assert path.read_bytes() == content
    assert files(dataset) == before


def test_odd_recordings_are_kept_with_what_is_odd_about_them(dataset: Dataset) -> None:
    frames = np.zeros((96_000, 8), np.float32)
    frames[:, 2] = np.clip(tone(0.5, 192_000, level=2), -1, 1)
    wide = dataset.add(encoded(frames, 192_000), text="yes")
    narrow = dataset.add(encoded(tone(rate=8000), 8000), text="no")
    assert wide.quality is not None
    assert narrow.quality is not None
    assert wide.quality["clipped_share"] > 0.3
    assert narrow.quality["bandwidth_hz"] <= 4000
    assert soundfile.info(dataset.clip_path(wide)).samplerate == 192_000
    assert soundfile.info(dataset.clip_path(wide)).channels == 1


def test_an_edit_changes_one_line_and_leaves_every_other_byte(dataset: Dataset) -> None:
    clips = [dataset.add(recording(seed), text=f"sentence {seed}") for seed in range(3)]
    before = dataset.manifest.read_bytes().split(b"\n")
    edited = dataset.edit(clips[1].id, text="what  was said", speaker="ada")
    after = dataset.manifest.read_bytes().split(b"\n")
    assert (edited.text, edited.speaker) == ("what was said", "ada")
    assert Dataset(dataset.folder).get(clips[1].id) == edited
    assert (after[0], after[2], after[3]) == (before[0], before[2], b"")


@pytest.mark.parametrize("changes", [{"id": "x"}, {"audio_filepath": "../x"}, {"duration": 1}, {"split": "exam"}])
def test_what_must_not_change_is_refused(dataset: Dataset, changes: dict[str, object]) -> None:
    clip = dataset.add(recording(), text="yes")
    with pytest.raises(DataError):
        dataset.edit(clip.id, **changes)
    assert dataset.utterances() == [clip]


def test_an_unknown_clip_is_a_sentence(dataset: Dataset) -> None:
    for call in (dataset.get, dataset.edit, lambda id: dataset.trash([id]), lambda id: dataset.restore([id])):
        with pytest.raises(DataError, match=r"There is no clip “../../etc/passwd”"):
            call("../../etc/passwd")


def test_trash_takes_clip_and_line_and_restore_brings_both_back_after_a_restart(dataset: Dataset) -> None:
    kept, gone = (dataset.add(recording(seed), text=f"sentence {seed}") for seed in range(2))
    sound = dataset.clip_path(gone).read_bytes()
    assert dataset.trash([gone.id, gone.id]) == [gone]
    assert dataset.utterances() == [kept]
    assert not dataset.clip_path(gone).exists()
    again = Dataset.open(dataset.folder)
    assert again.problems() == []
    assert again.trashed() == [gone]
    assert again.restore([gone.id]) == [gone]
    assert again.utterances() == [kept, gone]
    assert again.clip_path(gone).read_bytes() == sound
    assert again.trashed() == []


@pytest.mark.parametrize("done", ["listed", "listed and removed"])
def test_a_crash_while_trashing_loses_nothing(dataset: Dataset, done: str) -> None:
    clip = dataset.add(recording(), text="yes")
    (dataset.folder / "trash.jsonl").write_text(clip.to_line() + "\n")
    if done == "listed and removed":
        dataset.manifest.write_text("")
        assert dataset.problems() == []
        assert dataset.restore([clip.id]) == [clip]
    assert dataset.utterances() == [clip]
    assert dataset.trashed() == []
    assert dataset.trash([clip.id]) == [clip]
    assert dataset.restore([clip.id]) == [clip]


def test_a_torn_last_line_is_reported_and_kept_aside(dataset: Dataset) -> None:
    first = dataset.add(recording(0), text="yes")
    second = dataset.add(recording(1), text="no")
    whole = dataset.manifest.read_bytes()
    dataset.manifest.write_bytes(whole[:-40])
    torn = whole[:-40].split(b"\n")[1]
    assert dataset.utterances() == [first]
    assert "torn" in dataset.problems()[0]
    assert any(f"clips/{second.id}.wav has no line" in problem for problem in dataset.problems())
    third = dataset.add(recording(2), text="maybe")
    assert dataset.utterances() == [first, third]
    assert (dataset.folder / "manifest.torn.jsonl").read_bytes() == torn + b"\n"
    assert "manifest.torn.jsonl" in dataset.problems()[0]


def test_a_last_line_that_lacks_only_its_newline_is_whole(dataset: Dataset) -> None:
    first = dataset.add(recording(0), text="yes")
    dataset.manifest.write_bytes(dataset.manifest.read_bytes().rstrip(b"\n"))
    assert dataset.problems() == []
    second = dataset.add(recording(1), text="no")
    assert dataset.utterances() == [first, second]


@settings(max_examples=25)
@given(cut=st.integers(0, 800))
def test_a_manifest_cut_at_any_byte_keeps_its_whole_lines_and_can_go_on(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dataset = Dataset.create(tmp_path_factory.mktemp("cut"))
    clips = [dataset.add(recording(seed), text=f"sentence {seed}") for seed in range(2)]
    content = dataset.manifest.read_bytes()[:cut]
    dataset.manifest.write_bytes(content)
    lines = content.split(b"\n")
    whole = sum(is_whole(line) for line in lines)
    dataset.edit(clips[0].id, speaker="ada") if whole else dataset.add(recording(2), text="more")
    aside = dataset.folder / "manifest.torn.jsonl"
    assert len(dataset.utterances()) == max(whole, 1)
    assert aside.exists() == bool(lines[-1] and not is_whole(lines[-1]))


def is_whole(line: bytes) -> bool:
    """Whether `line` is a JSON object: a half one may end with the brace of an inner one."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("not json", "is not JSON"),
        ('{"text": "yes", "duration": 1}', "audio_filepath"),
        ('{"audio_filepath": "clips/no.wav", "text": "yes", "duration": 1}', "clips/no.wav is missing"),
        ('{"audio_filepath": "../secret.wav", "text": "yes", "duration": 1}', "points outside"),
        ('{"audio_filepath": "/etc/passwd", "text": "yes", "duration": 1}', "points outside"),
        ('{"audio_filepath": "clips/link.wav", "text": "yes", "duration": 1}', "points outside"),
        ('{"audio_filepath": "clips/a.wav", "text": "", "duration": 1}', "write what was said"),
        ('{"audio_filepath": "clips/a.wav", "text": "yes", "duration": -1}', "duration"),
        ('{"audio_filepath": "clips/a.wav", "text": "yes", "duration": NaN}', "duration"),
    ],
)
def test_a_line_that_cannot_be_used_is_left_out_reported_and_never_dropped(
    dataset: Dataset, line: str, sentence: str
) -> None:
    saved(dataset.folder.parent / "secret.wav", recording())
    (dataset.folder / "clips" / "link.wav").symlink_to(dataset.folder.parent / "secret.wav")
    append(dataset, line + "\n")
    clip = dataset.add(recording(), text="yes")
    dataset.edit(clip.id, text="no")
    assert [row.id for row in dataset.utterances()] == [clip.id]
    assert "Line 1 of manifest.jsonl is left out: " in dataset.problems()[0]
    assert sentence in dataset.problems()[0]
    assert dataset.manifest.read_text().startswith(line + "\n")


def test_a_duplicate_id_is_reported_and_both_lines_stay(dataset: Dataset) -> None:
    first, second = (dataset.add(recording(seed), text=f"sentence {seed}") for seed in range(2))
    append(dataset, second.to_line().replace(second.id, first.id, 1) + "\n")
    assert dataset.utterances() == [first, second]
    assert dataset.problems() == [
        f"Line 3 of manifest.jsonl is left out: the id {first.id} appears twice. "
        "Give one of them another id, or delete its line."
    ]
    dataset.edit(first.id, text="other")
    assert len(dataset.manifest.read_text().splitlines()) == 3


def test_a_clip_path_that_points_outside_is_refused(dataset: Dataset) -> None:
    clip = dataset.add(recording(), text="yes")
    with pytest.raises(DataError, match="points outside"):
        dataset.clip_path(clip.model_copy(update={"audio_filepath": "../../etc/passwd"}))


def test_a_manifest_of_another_program_is_read_and_its_keys_are_kept(dataset: Dataset) -> None:
    saved(dataset.folder / "wavs" / "a.wav", recording())
    line = '{"audio_filepath": "wavs/a.wav", "text": "yes", "duration": 0.5, "lang": "en", "score": null, "x": NaN}'
    dataset.manifest.write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n")
    clip = dataset.utterances()[0]
    assert clip == Dataset(dataset.folder).utterances()[0]
    assert clip.split in ("train", "validation", "test")
    dataset.edit(clip.id, text="no")
    kept = json.loads(dataset.manifest.read_text())
    assert (kept["text"], kept["lang"], kept["score"], str(kept["x"])) == ("no", "en", None, "nan")
    assert kept["id"] == clip.id
    dataset.trash([clip.id])
    assert dataset.restore([clip.id])[0].audio_filepath == "wavs/a.wav"
    assert dataset.clip_path(clip).is_file()


def test_a_sentence_that_trains_and_measures_is_reported(dataset: Dataset) -> None:
    dataset.add(recording(0), text="order 129", split="train")
    dataset.add(recording(1), text="order one two nine", split="test")
    assert dataset.problems() == ["“order one two nine” is in test and train. Put its clips into one split."]


def test_seconds_and_counts_add_up(dataset: Dataset) -> None:
    for seed, split in enumerate(("train", "train", "test", "unused")):
        dataset.add(recording(seed, seconds=0.5), text=f"sentence {seed}", split=split)
    assert dataset.seconds() == pytest.approx(2.0)
    assert dataset.counts() == {"train": 2, "validation": 0, "test": 1, "unused": 1}


def test_ten_thousand_clips_are_listed_quickly(dataset: Dataset) -> None:
    saved(dataset.folder / "clips" / "a.wav", recording())
    clip = dataset.add(recording(1), text="order one two nine", prompt="order 1 2 9")
    line = clip.to_line()
    rows = [line.replace(clip.id, f"{number:08}", 1).replace(f"{clip.id}.wav", "a.wav") for number in range(10_000)]
    dataset.manifest.write_text("\n".join(rows) + "\n")
    began = time.process_time()
    assert len(dataset.utterances()) == 10_000
    first = time.process_time() - began
    began = time.process_time()
    dataset.utterances()
    assert first < 3.0  # 0.2 s on an idle core
    assert time.process_time() - began < 1.0


texts = st.text(min_size=1).filter(str.strip)
values = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
extras = st.dictionaries(st.text(min_size=1).map("x_".__add__), values)


@given(
    text=texts,
    path=texts,
    duration=st.floats(0.1, 60),
    split=st.sampled_from(["train", "validation", "test", "unused"]),
    words=st.none() | st.lists(st.tuples(st.text(), st.tuples(st.floats(0, 60), st.floats(0, 60)))),
    quality=st.none() | st.dictionaries(st.text(), st.floats(allow_nan=False) | st.text()),
    extra=extras,
)
def test_every_utterance_comes_back_from_its_line(extra: dict[str, object], **fields: object) -> None:
    clip = Utterance.model_validate({"id": "a", "audio_filepath": fields.pop("path"), **fields, **extra})
    line = clip.to_line()
    assert "\n" not in line
    assert Utterance.model_validate_json(line) == clip
    assert Utterance.model_validate_json(line).to_line() == line


@given(st.text(), st.text())
def test_a_label_is_one_line_of_text_that_can_be_written(before: str, after: str) -> None:
    label = checked_label(f"{before} word {after}")
    assert label == checked_label(label)
    assert label == " ".join(label.split())
    assert label.encode()
