"""Whatever a file holds, importing it is a list of rows and refusals: no traceback, nothing opened outside."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sounds import recording, saved
from speech_data import dataset_in

from studio.data import formats
from studio.data.formats import archive, lists, tables
from studio.data.formats.archive import unpack
from studio.data.formats.base import ImportRow, ReadOptions, Reasons, Refused
from studio.data.import_export.exporting import export_data
from studio.errors import DataError, StudioError

NAMES = ["", "a.wav", "../secret.wav", "/etc/passwd", "a\0b.wav", "link.wav", "C:\\x\\a.wav", "http://x/a.wav",
         "x" * 5000, "clips/../../secret.wav", "ring.wav", "~/a.wav", "a.wav/", ".", "file:///etc/passwd",
         "s3://bucket/a.wav"]  # fmt: skip
LISTS = {
    "nemo": "manifest.jsonl",
    "audiofolder": "metadata.csv",
    "audiofolder-jsonl": "metadata.jsonl",
    "csv": "clips.csv",
    "ljspeech": "metadata.csv",
    "common-voice": "train.tsv",
    "speech-to-text-finetune": "text.csv",
    "moshi-finetune": "data.jsonl",
    "lhotse": "cuts.jsonl",
    "kaldi": "text",
    "label-studio": "tasks.json",
    "parquet": "train.parquet",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound, a link out of it and a ring of links; the secret lies beside it."""
    folder = tmp_path_factory.mktemp("data") / "inside"
    saved(folder / "a.wav", recording())
    saved(folder / "a.json", b'{"alignments": [["yes", [0, 0.1], "SPEAKER_MAIN"]]}')
    saved(folder.parent / "secret.wav", recording(9))
    (folder / "link.wav").symlink_to(folder.parent / "secret.wav")
    (folder / "ring.wav").symlink_to(folder / "ring.wav")
    saved(folder / "wav.scp", b"u1 a.wav\nu2 cat a.wav |\nu3 ../secret.wav\n")
    return folder


def read_all(name: str, path: Path) -> list[ImportRow | Refused]:
    """Every row, as an import would read it; a list that cannot be read at all says so."""
    chosen, found = formats.find(name), []
    chosen.recognise(path)
    try:
        chosen.columns(path, ReadOptions())
        found = list(chosen.rows(path, ReadOptions()))
    except DataError:
        pass
    for row in found:
        if isinstance(row, ImportRow) and isinstance(row.audio, Path):
            assert row.audio.resolve().is_relative_to(path.parent.resolve()), row
        if isinstance(row, Refused):
            assert row.what.strip(), row
    return found


def content() -> st.SearchStrategy[bytes]:
    """What may lie in a list: rows that are nearly right, put together, cut off, in any encoding; or anything."""
    value = st.one_of(
        st.sampled_from(NAMES),
        st.text(max_size=20),
        st.none(),
        st.floats(),
        st.integers(),
        st.lists(st.text(max_size=3), max_size=2),
    )
    keys = st.sampled_from(["audio_filepath", "file_name", "path", "text", "sentence", "offset", "duration", "end",
                            "split", "words", "alignments", "recording", "supervisions", "type", "data",
                            "annotations"])  # fmt: skip
    nested = st.recursive(
        value, lambda inner: st.dictionaries(keys, inner, max_size=3) | st.lists(inner, max_size=2), max_leaves=6
    )
    record = st.dictionaries(keys, nested, max_size=5).map(json.dumps)
    cells = st.lists(st.one_of(st.sampled_from(NAMES[:6]), st.text(max_size=10)), min_size=1, max_size=4)
    row = st.tuples(cells, st.sampled_from([",", "\t", "|", ";", " "])).map(lambda parts: parts[1].join(parts[0]))
    header = st.sampled_from(
        ["", "file_name,text\n", "path\tsentence\n", "index,sentence\n", '{"a": 1}\n', "[", "a.wav|yes\n"]
    )
    lines = st.lists(st.one_of(record, row, st.sampled_from(['"', '"a', "{", "]", "[" * 3000])), max_size=5)
    mark = st.sampled_from(["\n", "\r\n", "\r", ",\n"])
    text = st.tuples(header, lines, mark).map(lambda parts: parts[0] + parts[2].join(parts[1]))
    encoded = st.tuples(text, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"])).map(
        lambda parts: parts[0].encode(parts[1], "replace")
    )
    cut = st.tuples(encoded, st.integers(0, 200)).map(lambda parts: parts[0][: max(len(parts[0]) - parts[1], 0)])
    return st.one_of(encoded, cut, st.binary(max_size=200))


@pytest.mark.parametrize("name", LISTS)
@example(content=b"\xfe\xff\x00\x00\x00")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=content())
def test_no_list_of_any_content_fails_or_reaches_outside(name: str, content: bytes, folder: Path) -> None:
    path = folder / LISTS[name]
    path.write_bytes(content)
    try:
        read_all(name, folder if name == "kaldi" else path)
        formats.recognise(path)
    except DataError:
        pass
    finally:
        path.unlink()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A list of each format as it should be, beside its sounds."""
    folder = tmp_path_factory.mktemp("exported")
    dataset = dataset_in(folder / "voice")
    found = {name: Path(export_data(dataset, name, folder / name).path) for name in formats.FORMATS if name != "pairs"}
    lists_of = {
        name: [path for path in out.rglob("*") if path.is_file() and path.suffix != ".wav"]
        for name, out in found.items()
    }
    return {
        name: sorted(paths)[0] if name != "kaldi" else found[name] / "train" / "text"
        for name, paths in lists_of.items()
    }


@pytest.mark.parametrize("name", LISTS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_list_that_was_damaged_is_read_as_far_as_it_goes(
    name: str, data: st.DataObject, exported: dict[str, Path]
) -> None:
    path = exported[name]
    whole = path.read_bytes()
    content = bytearray(gzip.decompress(whole) if path.suffix == ".gz" else whole)
    pieces = [
        b"null",
        b"{}",
        b"[]",
        b"-1",
        b"1e999",
        b"NaN",
        b'"',
        b"\\",
        b"\n",
        b"\0",
        b"\xff",
        b"..",
        b"/",
        b"\t",
        b"[[[[",
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 12))
        content[place : place + length] = data.draw(st.sampled_from(pieces) | st.binary(max_size=3))
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    try:
        read_all(name, path.parent if name == "kaldi" else path)
        formats.recognise(path.parent)
    except DataError:
        pass
    finally:
        path.write_bytes(whole)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=content())
def test_a_broken_packed_list_is_refused(content: bytes, folder: Path) -> None:
    for packed in (gzip.compress(content), gzip.compress(content)[:-9], b"\x1f\x8b" + content):
        path = saved(folder / "cuts.jsonl.gz", packed)
        read_all("lhotse", path)
        path.unlink()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_is_refused_with_its_reason(name: str, folder: Path) -> None:
    path = saved(folder / "manifest.jsonl", json.dumps({"audio_filepath": name, "text": "yes"}).encode())
    (row,) = read_all("nemo", path)
    path.unlink()
    assert isinstance(row, ImportRow) == (name in ("a.wav", "C:\\x\\a.wav", "a.wav/"))
    if isinstance(row, Refused):
        assert any(word in row.what for word in ("missing", "outside", "names no sound", "internet", "cannot be read"))


def test_a_line_of_ten_megabytes_is_refused_and_the_next_one_read(folder: Path) -> None:
    long = b'{"audio_filepath": "' + b"x" * (10 << 20) + b'"}\n'
    path = saved(folder / "manifest.jsonl", long + b'{"audio_filepath": "a.wav", "text": "yes"}\n')
    first, second = read_all("nemo", path)
    path.unlink()
    assert isinstance(first, Refused)
    assert "longer than" in first.what
    assert isinstance(second, ImportRow)


def test_commands_in_a_wav_scp_are_never_run(folder: Path) -> None:
    path = saved(folder / "text", b"u1 yes\nu2 no\nu3 perhaps\nu4 gone\n")
    found = read_all("kaldi", folder)
    path.unlink()
    assert [type(row) for row in found] == [ImportRow, Refused, Refused, Refused]
    reasons = [row.what for row in found if isinstance(row, Refused)]
    assert "never run" in reasons[0]
    assert "outside" in reasons[1]
    assert "no line for u4" in reasons[2]


def test_encodings_and_line_ends_of_other_systems_are_read(folder: Path) -> None:
    text = "file_name,text\r\na.wav,Grün\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path = saved(folder / "metadata.csv", text.encode(encoding))
        assert formats.recognise(path).name == "audiofolder"
        assert [row.text for row in read_all("audiofolder", path) if isinstance(row, ImportRow)] == ["Grün"]
        path.unlink()
    path = saved(folder / "metadata.csv", text.encode("latin-1"))
    (row,) = read_all("audiofolder", path)
    path.unlink()
    assert isinstance(row, Refused)
    assert "UTF-8" in row.what


def test_a_quote_that_never_ends_is_refused_and_named(folder: Path) -> None:
    path = saved(folder / "clips.csv", b'path,text\na.wav,"yes\na.wav,no\n')
    first, second = read_all("csv", path)
    path.unlink()
    assert isinstance(first, Refused)
    assert first.name == "clips.csv line 2"
    assert isinstance(second, ImportRow)
    assert second.text == "no"


def test_the_delimiter_and_the_columns_are_guessed_and_can_be_chosen(folder: Path) -> None:
    path = saved(folder / "clips.csv", b"Sound;Said;Who\na.wav;yes, sir;ada\n")
    chosen = formats.find("csv")
    assert tables.delimiter_of(path) == ";"
    mapping = {"audio": "Sound", "text": "Said", "speaker": "Who"}
    (row,) = chosen.rows(path, ReadOptions(mapping))
    assert isinstance(row, ImportRow)
    assert (row.text, row.speaker) == ("yes, sir", "ada")
    assert [(column.name, column.field) for column in chosen.columns(path, ReadOptions(mapping))] == [
        ("Sound", "audio"),
        ("Said", "text"),
        ("Who", "speaker"),
    ]
    with pytest.raises(DataError, match="Did you mean “Said”"):
        list(chosen.rows(path, ReadOptions({"text": "Siad"})))
    path.unlink()


def zipped(*entries: tuple[str, bytes] | zipfile.ZipInfo) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        for entry in entries:
            if isinstance(entry, zipfile.ZipInfo):
                written.writestr(entry, "/etc/passwd")
            else:
                written.writestr(*entry)
    return buffer.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entries_of_a_zip_that_lead_elsewhere_are_refused_and_the_good_one_taken(tmp_path: Path) -> None:
    bad = [
        "../up.wav",
        "/abs.wav",
        "C:/x.wav",
        "..\\up.wav",
        "a/../../b.wav",
        "good.wav",
        "GOOD.WAV",
        "x" * 300,
        "a//b.wav",
    ]
    path = saved(tmp_path / "data.zip", zipped(("good.wav", b"1"), *((name, b"2") for name in bad), link("link.wav")))
    refused = unpack(path, tmp_path / "out" / "deep")
    assert len(refused) == len(bad) + 1
    assert [each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*") if each.is_file()] == [
        "data.zip",
        "out/deep/good.wav",
    ]
    assert (tmp_path / "out" / "deep" / "good.wav").read_bytes() == b"1"


def test_an_encrypted_entry_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("a.wav", b"1" * 50), ("b.wav", recording())))
    place = content.rfind(b"PK\x01\x02", 0, content.rfind(b"PK\x01\x02"))
    content[place + 8] |= 1  # the flag of encryption in the directory of the first entry
    half = content.find(b"b.wav") + 40
    content[half : half + 20] = b"\0" * 20
    refused = unpack(saved(tmp_path / "data.zip", bytes(content)), tmp_path / "out")
    assert ["encrypted" in refused[0].what, "cannot be unpacked" in refused[1].what] == [True, True]
    assert [each for each in (tmp_path / "out").rglob("*") if each.is_file()] == []


def test_a_zip_bomb_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = saved(tmp_path / "bomb.zip", zipped(("zeros.wav", bytes(archive.FREE_OF_RATIO + 1))))
    with pytest.raises(DataError, match="would unpack to"):
        unpack(bomb, tmp_path / "out")
    monkeypatch.setattr(archive, "MOST_ENTRIES", 3)
    with pytest.raises(DataError, match="4 files"):
        unpack(saved(tmp_path / "many.zip", zipped(*((f"{n}.wav", b"") for n in range(4)))), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_zip_is_a_sentence(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(
        zipped(("a.wav", recording()), ("a.txt", b"yes"), ("metadata.csv", b"file_name,text\na.wav,yes\n"))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path = saved(tmp_path / "data.zip", bytes(content[:cut] if data.draw(st.booleans()) else content))
    before = set(tmp_path.rglob("*"))
    with suppress(StudioError):
        unpack(path, tmp_path / "out")
    outside = set(tmp_path.rglob("*")) - before
    assert all(each.is_relative_to(tmp_path / "out") for each in outside)


def test_a_thousand_bad_rows_of_one_kind_are_one_reason() -> None:
    reasons = Reasons()
    for number in range(5_000):
        reasons.add(Refused(f"line {number}", f"The file “clips/{number}.wav” is missing.", "Put it there."))
    reasons.add(Refused("line x", "It is silent (peak -90 dBFS)."))
    assert [(group.count, len(group.examples)) for group in reasons.groups()] == [(5_000, 3), (1, 1)]
    assert len(reasons.listed) == 1_000


def test_an_array_of_any_length_is_read_item_by_item(tmp_path: Path) -> None:
    items = [{"id": number, "text": "x" * 2000, "list": [number]} for number in range(300)]
    for written in (json.dumps(items), json.dumps(items, indent=2)):
        path = saved(tmp_path / "tasks.json", written.encode())
        assert [item for _, item in lists.json_array(path)] == items
    path = saved(tmp_path / "tasks.json", json.dumps(items)[:-3].encode())
    *whole, (_, last) = lists.json_array(path)
    assert [item for _, item in whole] == items[:-1]
    assert isinstance(last, Refused)


@pytest.mark.parametrize("name", ["lhotse", "moshi-finetune", "label-studio"])
def test_long_recordings_are_cut_where_somebody_said_so(name: str, tmp_path: Path) -> None:
    saved(tmp_path / "long.wav", recording(1, 70.0, 8_000))
    written: dict[str, Callable[[], object]] = {
        "lhotse": lambda: {
            "id": "c", "type": "MonoCut", "start": 10.0, "duration": 60.0, "channel": 0,
            "recording": {"id": "r", "sources": [{"type": "file", "source": "long.wav"}], "duration": 70.0},
            "supervisions": [{"start": 5.0, "duration": 2.0, "text": "one"},
                             {"start": 30.0, "duration": 1.0, "text": "two"}],
        },
        "label-studio": lambda: [{"data": {"audio": "/data/upload/1/0a1b2c3d-long.wav"}, "annotations": [{"result": [
            {"type": "textarea", "value": {"start": 15.0, "end": 17.0, "text": ["one"]}},
            {"type": "labels", "value": {"start": 15.0, "end": 17.0, "labels": ["Speech"]}},
            {"type": "textarea", "value": {"start": 40.0, "end": 41.0, "text": ["two"]}}]}]}],
        "moshi-finetune": lambda: {"path": "long.wav", "duration": 70.0},
    }  # fmt: skip
    saved(tmp_path / "long.json", b'{"alignments": [["one", [0, 1], "SPEAKER_MAIN"], ["x", [1, 2], "OTHER"]]}')
    path = saved(tmp_path / LISTS[name], json.dumps(written[name]()).encode())
    rows = read_all(name, path)
    if name == "moshi-finetune":
        assert [(row.text, row.is_part) for row in rows if isinstance(row, ImportRow)] == [("one", False)]
    else:
        parts = [(row.text, row.start, row.duration) for row in rows if isinstance(row, ImportRow)]
        assert parts == [("one", 15.0, 2.0), ("two", 40.0, 1.0)]


def test_what_a_format_cannot_hold_is_left_out_with_its_reason(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path / "voice", ("a|b", "yes"))
    report = export_data(dataset, "ljspeech", tmp_path / "lj")
    assert (report.clips, report.skipped) == (1, 1)
    assert "pipe" in report.reasons[0].reason
