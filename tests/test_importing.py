"""Data that exists already comes in whole or not at all; what cannot is said, with its reason."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sounds import encoded, recording, saved, tone, with_tracks
from speech_data import dataset_in, kept
from test_formats_round_trip import HOLDS
from typer.testing import CliRunner

from studio.audio import read
from studio.cli import app
from studio.data import formats
from studio.data.formats.base import ReadOptions
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.exporting import export_data
from studio.data.import_export.importing import ImportReport, import_data
from studio.data.import_export.previewing import preview
from studio.data.manifest import Dataset
from studio.data.utterance import hashed_split
from studio.errors import CancelledError, DataError
from studio.workspace import Workspace


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "recordings" / "voice")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


def labelled(path: Path, content: bytes, label: str) -> Path:
    saved(path.with_suffix(".txt"), label.encode())
    return saved(path, content)


def imported(dataset: Dataset, *paths: Path, **options: Any) -> ImportReport:
    return import_data(dataset, ImportPlan(paths), **options)


def reasons(report: ImportReport) -> dict[str, str]:
    return dict(report.listed)


def test_of_several_sound_tracks_the_import_says_which_one_it_reads(dataset: Dataset, folder: Path) -> None:
    labelled(folder / "film.mkv", with_tracks(tone(pitch=300), tone(pitch=600)), "yes")
    labelled(folder / "talk.mkv", with_tracks(tone(pitch=400)), "no")
    report = imported(dataset, folder)
    assert preview(ImportPlan((folder,))).notes == report.notes
    [said] = [note for note in report.notes if "track" in note]
    assert said.startswith("1 clip comes from a file with several sound tracks, of which one is read: track ")
    track = int(re.findall(r"track (\d) of the 2 in film.mkv", said)[0])
    wave = read(dataset.folder / next(clip.audio_filepath for clip in dataset.utterances() if clip.text == "yes"))
    peak = float(np.argmax(np.abs(np.fft.rfft(wave.samples))) * wave.sample_rate / len(wave.samples))
    assert peak == pytest.approx(300 * track, abs=5)


def test_wav_flac_and_mp3_come_in_as_mono_wav_at_their_own_rate(dataset: Dataset, folder: Path) -> None:
    stereo = np.stack([tone(rate=44_100), np.zeros(22_050, np.float32)], axis=1)
    labelled(folder / "a.WAV", encoded(stereo, 44_100, subtype="PCM_24"), "order 129\n")
    labelled(folder / "deep" / "b.flac", encoded(tone(pitch=300), 16_000, "FLAC"), "yes")
    labelled(folder / "c.mp3", encoded(tone(pitch=400), 16_000, "MP3", "MPEG_LAYER_III"), "\ufeffno")
    before = sorted(path.read_bytes() for path in folder.rglob("*.*"))
    report = imported(dataset, folder)
    assert (report.added, report.skipped) == (3, 0)
    clips = dataset.utterances()
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


def test_every_bad_file_is_skipped_with_its_reason_and_the_good_one_comes_in(dataset: Dataset, folder: Path) -> None:
    good = labelled(folder / "good.wav", recording(), "yes")
    bad = {
        "silent": labelled(folder / "silent.wav", encoded(np.zeros(9000, np.float32), 16_000), "yes"),
        "not a sound file": labelled(folder / "text.wav", b"a text", "yes"),
        "0.02 s": labelled(folder / "short.wav", encoded(tone(0.02), 16_000), "yes"),
        "86 s": labelled(folder / "long.wav", encoded(tone(86, 8_000), 8_000), "yes"),
        "label is empty": labelled(folder / "empty.wav", recording(3), " \n"),
        "not UTF-8": saved(folder / "latin.wav", recording(4)),
        "nothing at": folder / "gone.wav",
        "Convert it": labelled(folder / "phone.aax", b"....ftypaax", "yes"),
        "came twice": labelled(folder / "again.flac", b"", "yes"),
    }
    (folder / "latin.txt").write_bytes("grün".encode("latin-1"))
    saved(folder / "again.flac", encoded(soundfile.read(good, dtype="int16")[0], 16_000, "FLAC"))
    report = imported(dataset, good, *bad.values())
    assert [clip.text for clip in dataset.utterances()] == ["yes"]
    assert report.skipped == len(bad)
    for sentence, path in bad.items():
        assert sentence in reasons(report)[path.name]
    assert dataset.problems() == []


def test_sound_files_without_any_text_wait_for_their_labels(dataset: Dataset, folder: Path) -> None:
    for name in ("a.wav", "deep/b.flac"):
        saved(folder / name, recording(len(name)))
    labelled(folder / "c.wav", recording(1), "sentence 1")
    found = preview(ImportPlan([folder]))
    assert (found.clips, found.unlabelled, found.skipped) == (3, 2, 0)
    assert found.notes[0].startswith("2 clips have no label: set aside")
    assert sorted((row.text, row.split) for row in found.first) == [("", "unused"), ("", "unused"), ("sentence 1", "")]
    report = imported(dataset, folder)
    assert (report.added, report.unlabelled) == (3, 2)
    assert found.notes[0] in report.sentence()
    assert [clip.split for clip in dataset.utterances() if not clip.text] == ["unused", "unused"]
    assert dataset.problems() == []


def test_a_clip_without_a_label_neither_trains_nor_measures_until_it_gets_one(dataset: Dataset, folder: Path) -> None:
    saved(folder / "a.wav", recording())
    imported(dataset, folder)
    (bare,) = dataset.utterances()
    for split in ("train", "validation", "test"):
        with pytest.raises(DataError, match="label is empty"):
            dataset.edit(bare.id, split=split)
    clip = dataset.edit(bare.id, text="order one two")
    assert clip.split == hashed_split("order one two")
    dataset.undo()
    assert dataset.get(bare.id) == bare
    other = dataset.add(recording(5), text="order one two", split="test")
    assert dataset.edit(bare.id, text="Order 1 2.").split == other.split


def test_a_clip_without_a_label_is_no_row_of_another_format(dataset: Dataset, folder: Path, tmp_path: Path) -> None:
    saved(folder / "a.wav", recording())
    labelled(folder / "b.wav", recording(1), "yes")
    imported(dataset, folder)
    report = export_data(dataset, "nemo", tmp_path / "out")
    assert (report.clips, report.skipped) == (1, 1)
    assert "no label" in report.reasons[0].reason


def torn(folder: Path) -> Path:
    """A list whose source puts a sentence on two sides, and a second one linked with it by its prompt."""
    rows = [
        ("yes", "train", ""), ("no", "train", ""), ("Yes.", "test", ""), ("no", "validation", ""),
        ("maybe", "train", "yes"), ("order 1", "train", ""), ("order one", "unused", ""), ("other", "train", ""),
    ]  # fmt: skip
    for number in range(len(rows)):
        saved(folder / f"{number}.wav", recording(number))
    lines = ["path,text,split,prompt", *(f"{number}.wav,{','.join(row)}" for number, row in enumerate(rows))]
    return saved(folder / "list.csv", "\n".join(lines).encode())


def test_a_sentence_never_comes_in_on_two_sides_what_measures_wins(dataset: Dataset, folder: Path) -> None:
    plan = ImportPlan([torn(folder)])
    found = preview(plan)
    report = import_data(dataset, plan)
    splits = [(clip.text, clip.split) for clip in dataset.utterances()]
    assert splits == [
        ("yes", "test"), ("no", "validation"), ("Yes.", "test"), ("no", "validation"), ("maybe", "test"),
        ("order 1", "train"), ("order one", "unused"), ("other", "train"),
    ]  # fmt: skip
    assert dataset.problems() == []
    assert report.moved == 3
    assert found.moved == 2  # without the one that only its prompt ties
    assert found.notes[0].startswith("2 clips will be in a different split from the source")
    assert "3 clips will be in a different split from the source" in report.sentence()


def test_an_import_never_moves_what_is_there_already(dataset: Dataset, folder: Path) -> None:
    kept = Dataset.create(dataset.folder).add(recording(50), text="yes", split="train")
    plan = ImportPlan([torn(folder)])
    assert preview(plan, dataset).moved == 2
    import_data(dataset, plan)
    assert dataset.get(kept.id) == kept
    splits = {clip.text: clip.split for clip in dataset.utterances()}
    assert (splits["yes"], splits["Yes."], splits["maybe"], splits["no"]) == ("train", "train", "train", "validation")
    assert dataset.problems() == []


def test_importing_again_adds_only_what_is_new(dataset: Dataset, folder: Path) -> None:
    for seed in range(3):
        labelled(folder / f"{seed}.wav", recording(seed), f"sentence {seed}")
    assert imported(dataset, folder).added == 3
    labelled(folder / "3.wav", recording(3), "sentence 3")
    report = imported(dataset, folder)
    assert (report.added, report.already, report.skipped) == (1, 3, 0)
    assert "3 were there already" in report.sentence()
    assert preview(ImportPlan([folder]), dataset).already == 4


def test_one_undo_takes_the_whole_import_back_out(dataset: Dataset, folder: Path) -> None:
    for seed in range(3):
        labelled(folder / f"{seed}.wav", recording(seed), f"sentence {seed}")
    report = imported(dataset, folder)
    assert [action.what for action in dataset.history()] == ["3 clips imported from files"]
    dataset.undo(report.action)
    assert dataset.utterances() == []
    dataset.redo()
    assert len(dataset.utterances()) == 3


def test_an_import_of_which_nothing_comes_in_leaves_no_dataset(tmp_path: Path, folder: Path) -> None:
    labelled(folder / "bad.wav", b"RIFF no sound at all", "yes")
    ended = CliRunner().invoke(app, ["import", "new", str(folder)], env={"STUDIO_WORKSPACE": str(tmp_path / "here")})
    assert (ended.exit_code, Workspace(tmp_path / "here").datasets()) == (1, [])
    assert list((tmp_path / "here" / "recordings").iterdir()) == []


def test_an_import_that_is_cancelled_before_its_first_clip_leaves_no_dataset(dataset: Dataset, folder: Path) -> None:
    def tell(phase: str, done: int, total: int) -> None:
        if phase == "importing":
            raise CancelledError

    labelled(folder / "a.wav", recording(1), "yes")
    with pytest.raises(CancelledError):
        imported(dataset, folder, tell=tell)
    assert not dataset.folder.exists()


def test_an_import_that_is_killed_leaves_no_dataset_and_the_next_one_begins_it(dataset: Dataset, folder: Path) -> None:
    labelled(folder / "a.wav", recording(1), "yes")
    killed = """if True:
        import os, sys
        from pathlib import Path
        from studio.data.formats.plan import ImportPlan
        from studio.data.import_export.importing import import_data
        from studio.data.manifest import Dataset
        tell = lambda phase, done, total: phase == "importing" and os._exit(9)
        import_data(Dataset(Path(sys.argv[1])), ImportPlan([Path(sys.argv[2])]), tell=tell)
    """
    assert subprocess.run([sys.executable, "-c", killed, str(dataset.folder), str(folder)]).returncode == 9
    assert Workspace(dataset.folder.parent.parent).datasets() == []
    assert imported(dataset, folder).added == 1
    assert [clip.text for clip in dataset.utterances()] == ["yes"]
    assert list(dataset.incoming.iterdir()) == []


def test_an_import_of_which_nothing_comes_in_leaves_an_empty_dataset_that_was_there(
    dataset: Dataset, folder: Path
) -> None:
    Dataset.create(dataset.folder)
    labelled(folder / "bad.wav", b"RIFF no sound at all", "yes")
    imported(dataset, folder)
    assert Workspace(dataset.folder.parent.parent).datasets() == ["voice"]


def test_a_cancelled_import_leaves_the_dataset_as_it_was(dataset: Dataset, folder: Path) -> None:
    for seed in range(4):
        labelled(folder / f"{seed}.wav", recording(seed), f"sentence {seed}")
    imported(dataset, folder / "0.wav")
    before = sorted(dataset.folder.rglob("*"))

    def tell(phase: str, done: int, total: int) -> None:
        if done == 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        imported(dataset, folder, tell=tell)
    assert [clip.text for clip in dataset.utterances()] == ["sentence 0"]
    assert [path for path in sorted(dataset.folder.rglob("*")) if path not in before and path.is_file()] == []


def test_linked_clips_share_their_file_with_the_original(dataset: Dataset, folder: Path) -> None:
    sound = labelled(folder / "a.flac", encoded(tone(), 16_000, "FLAC"), "yes")
    report = imported(dataset, folder, link=True)
    (clip,) = dataset.utterances()
    assert report.linked == 1
    assert dataset.clip_path(clip).samefile(sound)
    sound.unlink()
    assert dataset.problems() == []


@pytest.mark.parametrize("name", formats.FORMATS)
def test_a_dataset_goes_out_and_comes_back_the_same(name: str, dataset: Dataset, tmp_path: Path) -> None:
    original = dataset_in(tmp_path / "original")
    report = export_data(original, name, tmp_path / "out", portable=True)
    back = imported(dataset, Path(report.path))
    assert (back.added, back.skipped) == (6, 0)
    names = ("text", "duration", *HOLDS[name])
    came = {clip.text: kept(clip, *names) for clip in dataset.utterances()}
    assert came == {clip.text: kept(clip, *names) for clip in original.utterances()}
    again = imported(original, Path(report.path))
    assert (again.added, again.already) == (0, 6)  # the same samples, bit for bit


@pytest.mark.parametrize(("names", "why"), [([], "It is empty."), (["../out.wav"], "points outside the archive")])
def test_a_zip_of_which_nothing_can_be_unpacked_is_named_and_no_temporary_folder(
    dataset: Dataset, tmp_path: Path, names: list[str], why: str
) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for name in names:
            archive.writestr(name, recording())
    with pytest.raises(DataError, match=r"data\.zip holds nothing to import\.") as told:
        imported(dataset, tmp_path / "data.zip")
    assert why in told.value.what
    assert "studio-import-" not in str(told.value)


def test_a_zip_comes_in_like_the_folder_that_it_holds(dataset: Dataset, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("voice/metadata.csv", "file_name,transcription,speaker_id\na.wav,hello,7\n../b.wav,no,7\n")
        archive.writestr("voice/a.wav", recording())
        archive.writestr("../evil.wav", recording(1))
    path = saved(tmp_path / "data.zip", buffer.getvalue())
    report = imported(dataset, path)
    assert [(clip.text, clip.speaker) for clip in dataset.utterances()] == [("hello", "7")]
    assert sorted(reasons(report)) == ["../evil.wav", "metadata.csv line 3"]
    assert not (tmp_path / "evil.wav").exists()


def test_parts_of_long_recordings_are_cut_out(dataset: Dataset, folder: Path) -> None:
    samples = np.concatenate([tone(80, 8_000), tone(1, 8_000, pitch=500), tone(5, 8_000)])
    saved(folder / "long.wav", encoded(samples, 8_000))
    rows = [
        {"audio_filepath": "long.wav", "text": "in the middle", "offset": 80.0, "duration": 1.0, "speaker": "ada"},
        {"audio_filepath": "long.wav", "text": "too long", "duration": 86},
        {"audio_filepath": "long.wav", "text": "no", "duration": 1, "offset": "x"},
        {"audio_filepath": "long.wav", "text": "past the end", "duration": 1, "offset": 90},
    ]
    manifest = saved(folder / "train.jsonl", "\n".join(map(json.dumps, rows)).encode())
    report = imported(dataset, manifest)
    (clip,) = dataset.utterances()
    assert (clip.text, clip.speaker, clip.duration, clip.split) == ("in the middle", "ada", 1.0, "train")
    came = soundfile.read(dataset.clip_path(clip), dtype="float32")[0]
    assert np.allclose(came, samples[640_000:648_000], atol=2 / 32768)
    told = [reason for _, reason in report.listed]
    for sentence, reason in zip(["86 s", "not a number", "lasts 0.00 s"], told, strict=True):
        assert sentence in reason


def test_a_preview_tells_what_each_column_becomes_and_what_is_skipped(dataset: Dataset, folder: Path) -> None:
    saved(folder / "a.wav", recording(0, 3.0))
    lines = ["path;what;who", "a.wav;yes;ada", *(f"gone{n}.wav;no;bob" for n in range(5))]
    saved(folder / "list.csv", "\n".join(lines).encode())
    reading = ReadOptions({"text": "what", "speaker": "who"})
    found = preview(ImportPlan([folder], "csv", reading))
    assert (found.format, found.rows, found.clips, found.minutes) == ("csv", 6, 1, 0.05)
    assert [(column.name, column.field, column.example) for column in found.columns] == [
        ("path", "audio", "a.wav"),
        ("what", "text", "yes"),
        ("who", "speaker", "ada"),
    ]
    assert [(group.count, len(group.examples)) for group in found.reasons] == [(5, 3)]
    assert not dataset.folder.exists()


def test_a_table_with_names_of_its_own_is_known_by_its_cells_or_has_its_columns_chosen(folder: Path) -> None:
    saved(folder / "a.wav", recording())
    rows = 'Nr;Datei;Gesprochen;Ort\r\n1;a.wav;"yes; of course";here\r\n2;gone.wav;no;there\r\n'
    sheet = saved(folder / "liste.csv", f"\ufeff{rows}".encode())
    found = preview(ImportPlan([folder]))
    assert (found.format, found.clips, found.first[0].text) == ("csv", 1, "yes; of course")
    assert [column.field for column in found.columns] == ["", "audio", "text", ""]
    sheet.write_text(rows.replace("a.wav", "a").replace("gone.wav", "b"))
    found = preview(ImportPlan([folder], "csv"))
    assert (found.clips, [column.name for column in found.columns][1:3]) == (0, ["Datei", "Gesprochen"])
    assert "No column of liste.csv names the sound files" in found.reasons[0].reason
    sheet.write_text(rows)
    unchosen = ReadOptions({"audio": "", "text": "Gesprochen"})
    assert "names the sound files" in preview(ImportPlan([folder], "csv", unchosen)).reasons[0].reason


def test_a_preview_opens_sounds_for_as_long_as_it_may_and_counts_the_rest(folder: Path) -> None:
    for seed in range(3):
        labelled(folder / f"{seed}.wav", recording(seed), "yes")
    found = preview(ImportPlan([folder]), limit=0.0)
    assert (found.rows, found.checked, found.clips) == (3, 0, 3)


def test_what_is_no_data_is_a_sentence(dataset: Dataset, folder: Path) -> None:
    saved(folder / "._a.wav", b"\x00\x05\x16\x07")
    saved(folder / "readme.md", b"")
    for path, sentence in (
        (folder, "holds no sound file"),
        (folder / "gone", "nothing at"),
        (folder / "readme.md", "unknown format"),
    ):
        with pytest.raises(DataError, match=sentence):
            imported(dataset, path)
    with pytest.raises(DataError, match="Did you mean “lhotse”"):
        import_data(dataset, ImportPlan([folder], "lhotze"))
    assert not dataset.folder.exists()


def test_real_speech_comes_in(dataset: Dataset, speech_folder: Path, tmp_path: Path) -> None:
    rows = (speech_folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    saved(tmp_path / "some" / "metadata.jsonl", "\n".join(rows).encode())
    report = import_data(dataset, ImportPlan([tmp_path / "some"], "auto", ReadOptions(audio=speech_folder)))
    assert (report.added, report.skipped) == (12, 0)
    for clip, row in zip(dataset.utterances(), map(json.loads, rows), strict=True):
        assert (clip.text, clip.speaker, clip.split) == (row["text"], row["speaker"], row["split"])
        assert (clip.model_extra or {})["licence"] == row["licence"]


# ---- the command line ----


def studio(workspace: Path, *words: str | Path) -> Any:
    return CliRunner(env={"STUDIO_WORKSPACE": str(workspace)}).invoke(app, [str(word) for word in words])


def test_the_command_line_looks_imports_and_exports(tmp_path: Path) -> None:
    original = dataset_in(tmp_path / "recordings" / "mine")
    done = studio(tmp_path, "export-data", "mine", tmp_path / "out", "--format", "nemo", "--query", "split = train")
    assert done.exit_code == 0, done.output
    assert "3 clips" in done.stdout
    looked = studio(tmp_path, "import", "new", tmp_path / "out", "--dry-run")
    assert "3 of 3 rows would come in" in looked.stdout
    assert not (tmp_path / "recordings" / "new").exists()
    saved(tmp_path / "out" / "extra_manifest.json", b'{"audio_filepath": "gone.wav", "text": "x"}\n')
    report = json.loads(studio(tmp_path, "import", "new", tmp_path / "out", "--json").stdout)
    assert (report["added"], report["skipped"]) == (3, 1)
    texts = [clip.text for clip in Dataset(tmp_path / "recordings" / "new").utterances()]
    assert texts == [clip.text for clip in original.utterances() if clip.split == "train"]
    failed = studio(tmp_path, "import", "new", tmp_path / "out", "--map", "sentence")
    assert isinstance(failed.exception, Exception)
    assert "FIELD=COLUMN" in str(failed.exception)


def test_a_datasets_name_that_was_forgotten_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = labelled(tmp_path / "files" / "a.wav", recording(), "yes")
    monkeypatch.chdir(tmp_path / "files")
    for words in ([sound], ["a.wav"], ["a.wav", "a.txt"], [sound.parent]):
        failed = studio(tmp_path, "import", *words)
        assert "The dataset's name comes first" in str(failed.exception), words
        assert f"studio import my-voice {words[0]}" in str(failed.exception)
    assert "Nothing to import" in str(studio(tmp_path, "import", "my-voice").exception)
    assert not (tmp_path / "recordings").exists()


def test_the_help_of_the_command_line_names_every_format() -> None:
    told = "".join(studio(Path(), "export-data", "--help").stdout.split())  # a narrow terminal breaks names apart
    assert [name for name in formats.FORMATS if name not in told] == []
    assert "audiofolder-jsonl,parquet,ljspeech" in told
