"""Sound files that are there are found, however a list spells their names, and nothing outside is ever opened."""

from __future__ import annotations

import io
import json
import os
import unicodedata
import zipfile
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import soundfile
from sounds import by_ffmpeg, recording, saved, tone

from studio.data import formats
from studio.data.formats.base import ImportRow, ReadOptions, Refused
from studio.data.formats.files import READABLE, UNREADABLE
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.importing import import_data
from studio.data.import_export.previewing import preview
from studio.data.manifest import Dataset

CONTAINERS = {".wav": "WAV", ".wave": "WAV", ".w64": "W64", ".rf64": "RF64", ".flac": "FLAC", ".mp3": "MP3",
              ".mp2": "MP3", ".ogg": "OGG", ".oga": "OGG", ".opus": "OGG", ".aif": "AIFF", ".aiff": "AIFF",
              ".aifc": "AIFF", ".au": "AU", ".snd": "AU", ".caf": "CAF", ".sph": "NIST", ".nist": "NIST",
              ".voc": "VOC"}  # fmt: skip
FILMS = {  # suffix -> FFmpeg's format, its codec, Hz
    **dict.fromkeys((".m4a", ".m4b"), ("ipod", "aac", 48_000)),
    **dict.fromkeys((".mp4", ".m4v"), ("mp4", "aac", 48_000)),
    **dict.fromkeys((".webm", ".weba"), ("webm", "libopus", 48_000)),
    **dict.fromkeys((".mka", ".mkv"), ("matroska", "libopus", 48_000)),
    **dict.fromkeys((".wma", ".wmv"), ("asf", "wmav2", 48_000)),
    ".mov": ("mov", "aac", 48_000),
    ".3gp": ("3gp", "aac", 48_000),
    ".aac": ("adts", "aac", 48_000),
    ".ac3": ("ac3", "ac3", 48_000),
    ".wv": ("wv", "wavpack", 48_000),
    ".amr": ("amr", "libopencore_amrnb", 8_000),
}


def rows_of(path: Path) -> list[ImportRow | Refused]:
    return list(formats.recognise(path).rows(path, ReadOptions()))


def taken(path: Path) -> list[str]:
    return [row.text or "" for row in rows_of(path) if isinstance(row, ImportRow)]


def reasons(path: Path) -> list[str]:
    return [row.what for row in rows_of(path) if isinstance(row, Refused)]


def hub_cache(folder: Path) -> tuple[Path, Path]:
    """A data set as the Hub's library keeps it: a snapshot of links, and the blobs that they point to."""
    repository = folder / "datasets--ada--voice"
    snapshot = repository / "snapshots" / "0f1e2d"
    for number in range(3):
        saved(repository / "blobs" / f"{number:040x}", recording(number))
        saved(repository / "blobs" / f"a{number:039x}", f"label {number}".encode())
        for place in ("train", "test"):
            (snapshot / place).mkdir(parents=True, exist_ok=True)
        place = snapshot / ("train", "train", "test")[number]
        (place / f"{number}.wav").symlink_to(f"../../../blobs/{number:040x}")
        (place / f"{number}.txt").symlink_to(f"../../../blobs/a{number:039x}")
    return snapshot, repository / "blobs"


def test_the_hubs_cache_is_read_through_its_links(tmp_path: Path) -> None:
    snapshot, blobs = hub_cache(tmp_path)
    assert taken(snapshot) == ["label 2", "label 0", "label 1"]
    names = ["train/0.wav", "train/1.wav", "test/2.wav"]
    sheet = "file_name,text\n" + "".join(f"{name},said {name}\n" for name in names)
    saved(blobs / "5heet", sheet.encode())
    (snapshot / "metadata.csv").symlink_to("../../blobs/5heet")
    assert taken(snapshot) == [f"said {name}" for name in names]
    dataset = Dataset.create(tmp_path / "voice")
    assert import_data(dataset, ImportPlan([snapshot])).added == 3
    assert import_data(Dataset.create(tmp_path / "linked"), ImportPlan([snapshot]), link=True).linked == 3


def test_links_out_of_a_cache_are_refused_unless_they_point_at_its_own_blobs(tmp_path: Path) -> None:
    snapshot, _ = hub_cache(tmp_path)
    other, others = hub_cache(tmp_path / "other")
    saved(tmp_path / "secret.wav", recording(9))
    (snapshot / "out.wav").symlink_to(tmp_path / "secret.wav")
    (snapshot / "foreign.wav").symlink_to(others / f"{0:040x}")
    (snapshot / "deep.wav").symlink_to(saved(snapshot.parent.parent / "blobs" / "deep" / "x.wav", recording(8)))
    lines = [{"audio_filepath": name, "text": "x"} for name in ("out.wav", "foreign.wav", "deep.wav", "train/0.wav")]
    saved(snapshot / "manifest.jsonl", "\n".join(map(json.dumps, lines)).encode())
    assert taken(snapshot) == ["x"]
    assert ["outside" in reason for reason in reasons(snapshot)] == [True] * 3
    plain = tmp_path / "plain" / "snapshots" / "1"  # not a cache: nothing but its shape
    saved(tmp_path / "plain" / "blobs" / "b", recording(7))
    plain.mkdir(parents=True)
    (plain / "a.wav").symlink_to("../../blobs/b")
    assert reasons(plain) == ["It is a link that leads out of the folder."]
    assert other.is_dir()


def test_raw_paths_of_label_studio_are_all_found(cases: Path) -> None:
    assert len(taken(cases / "label_studio_raw")) == 7


@pytest.mark.parametrize("host", ["", "https://label.example.com", "http://localhost:8080"])
@pytest.mark.parametrize("way", ["raw", "encoded", "upload", "upload encoded", "upload kept"])
def test_addresses_of_label_studio_are_found_however_they_are_written(way: str, host: str, tmp_path: Path) -> None:
    names = ["a+b.wav", "take #1.wav", "a&b.wav", "50% done.wav", "q?.wav", "ü ñ.wav", "semi;x=1.wav", "50%25.wav"]
    tasks = []
    for number, name in enumerate(names):
        is_kept = way == "upload kept"
        saved(tmp_path / "rec" / (f"0a1b2c3d-{name}" if is_kept else name), recording(number))
        written = quote(name) if "encoded" in way else name
        place = f"/data/upload/3/0a1b2c3d-{written}" if "upload" in way else f"/data/local-files/?d=srv/rec/{written}"
        said = {"type": "textarea", "value": {"text": [name]}}
        tasks.append({"data": {"audio": host + place}, "annotations": [{"result": [said]}]})
    saved(tmp_path / "rec" / "tasks.json", json.dumps(tasks).encode())
    assert taken(tmp_path / "rec") == names


def test_names_are_found_however_unicode_composes_them(cases: Path, tmp_path: Path) -> None:
    assert len(taken(cases / "nfd_file_nfc_list")) == 3
    for number, form in enumerate(("NFC", "NFD")):
        folder = unicodedata.normalize(form, "Größe")
        saved(tmp_path / folder / unicodedata.normalize("NFD", "é.wav"), recording(number))
        other = "NFD" if form == "NFC" else "NFC"
        row = {"audio_filepath": unicodedata.normalize(other, "Größe/é.wav"), "text": form}
        path = saved(tmp_path / "manifest.jsonl", json.dumps(row).encode())
        assert taken(path) == [form]


def test_utf_8_names_in_a_zip_that_does_not_say_so_are_read(cases: Path, tmp_path: Path) -> None:
    report = import_data(Dataset.create(tmp_path / "voice"), ImportPlan([cases / "mac_utf8_noflag.zip"]))
    assert (report.added, report.skipped) == (3, 0)
    old = io.BytesIO()
    with zipfile.ZipFile(old, "w") as written:
        written.writestr("Gr___e.wav", recording(5))
        written.writestr("Gr___e.txt", b"hello")
    content = old.getvalue().replace(b"Gr___e", b"Gr\x81\xe1\xe1e")  # “Grüße” of DOS
    report = import_data(Dataset.create(tmp_path / "old"), ImportPlan([saved(tmp_path / "old.zip", content)]))
    assert (report.added, report.skipped) == (1, 0)


def test_a_file_that_lies_elsewhere_is_not_called_missing(tmp_path: Path) -> None:
    elsewhere = saved(tmp_path / "elsewhere" / "a.wav", recording())
    names = [str(elsewhere), "../elsewhere/a.wav", "C:\\voice\\a.wav", "gone.wav", str(tmp_path / "in" / "gone.wav")]
    lines = [json.dumps({"audio_filepath": name, "text": "x"}) for name in names]
    path = saved(tmp_path / "in" / "manifest.jsonl", "\n".join(lines).encode())
    assert ["outside" in reason for reason in reasons(path)] == [True, True, True, False, False]
    assert ["missing" in reason for reason in reasons(path)] == [False, False, False, True, True]
    named = ReadOptions(audio=tmp_path / "elsewhere")
    found = list(formats.find("nemo").rows(path, named))
    assert [isinstance(row, ImportRow) for row in found] == [True, True, True, False, False]


def test_every_suffix_that_is_called_readable_is_read(tmp_path: Path) -> None:
    assert CONTAINERS.keys() | FILMS.keys() == READABLE
    for number, (suffix, container) in enumerate(CONTAINERS.items()):
        subtype = "OPUS" if suffix == ".opus" else None
        samples = tone(pitch=200 + 20 * number).astype(np.float32)
        path = saved(tmp_path / "in" / f"a{number}{suffix}", b"")
        soundfile.write(path, samples, 16_000, format=container, subtype=subtype)
    for number, (suffix, (form, codec, rate)) in enumerate(FILMS.items()):
        content = by_ffmpeg(tone(rate=rate, pitch=300 + 20 * number), rate, form, codec)
        saved(tmp_path / "in" / f"b{number}{suffix}", content)
    assert import_data(Dataset.create(tmp_path / "voice"), ImportPlan([tmp_path / "in"])).added == len(READABLE)


def test_every_sound_file_that_is_passed_over_is_counted(tmp_path: Path) -> None:
    saved(tmp_path / "in" / "a.wav", recording())
    saved(tmp_path / "in" / "takes" / "b.flac", recording(1))
    saved(tmp_path / "in" / "takes" / "c.m4a", b"x")
    saved(tmp_path / "in" / "._a.wav", b"x")
    saved(tmp_path / "in" / "metadata.csv", b"file_name,text\na.wav,yes\n")
    note = "2 sound files are left out, since no usable row names them: takes/b.flac, takes/c.m4a."
    found = preview(ImportPlan([tmp_path / "in"]))
    assert (found.clips, found.notes) == (1, [note])
    report = import_data(Dataset.create(tmp_path / "voice"), ImportPlan([tmp_path / "in"]))
    assert (report.added, report.notes) == (1, [note])


def test_what_is_called_a_sound_and_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    saved(tmp_path / "a.wav", recording())
    os.mkfifo(tmp_path / "b.wav")
    (tmp_path / "c.wav").symlink_to(tmp_path / "gone.wav")
    assert [(row.name, row.what) for row in rows_of(tmp_path) if isinstance(row, Refused)] == [
        (name, "It is no file, or a link that leads nowhere.") for name in ("b.wav", "c.wav")
    ]


def test_sound_that_cannot_be_decoded_is_refused_by_name(tmp_path: Path) -> None:
    for suffix in UNREADABLE:
        saved(tmp_path / f"a{suffix}", b"x")
    found = rows_of(tmp_path)
    assert len(found) == len(UNREADABLE)
    assert all(isinstance(row, Refused) and "Convert it" in row.remedy for row in found)
