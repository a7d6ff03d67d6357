"""Tables lose no row in silence, and what goes out runs in no spreadsheet."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sounds import recording, saved
from speech_data import dataset_in
from typer.testing import CliRunner

from studio.cli import app
from studio.data import formats
from studio.data.formats import lists
from studio.data.formats.base import ImportRow, ReadOptions, Refused
from studio.data.formats.plan import ImportPlan
from studio.data.formats.sheets import escaped, unescaped
from studio.data.import_export.exporting import export_data
from studio.data.import_export.previewing import preview
from studio.errors import DataError

FORMULAS = ("=1+1 one", "+49 30 one", "-5 degrees", "@home", "'=quoted one", "it's -5")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        saved(tmp_path / f"{number}.wav", recording(number))
    return tmp_path


def rows_of(path: Path) -> list[ImportRow | Refused]:
    return list(formats.recognise(path).rows(path, ReadOptions()))


def texts(path: Path) -> list[str | None]:
    return [row.text for row in rows_of(path) if isinstance(row, ImportRow)]


@pytest.mark.parametrize(("name", "mark"), [("clips.csv", ","), ("clips.tsv", "\t"), ("metadata.csv", ",")])
@pytest.mark.parametrize("closing", ["", '"'])
def test_a_stray_quote_costs_its_own_line_alone_and_is_named(name: str, mark: str, closing: str, folder: Path) -> None:
    said = ["zero", '"one', "two", "three", f"four{closing}", "five"]
    lines = [f"file_name{mark}text", *(f"{number}.wav{mark}{text}" for number, text in enumerate(said))]
    path = saved(folder / name, "\n".join(lines).encode())
    found = rows_of(path)
    refused = [row for row in found if isinstance(row, Refused)]
    assert [row.text.strip('"') for row in found if isinstance(row, ImportRow) and row.text] == [
        "zero", "two", "three", "four", "five"]  # fmt: skip
    assert [row.name for row in refused] == [f"{name} line 3"]
    assert "A quote opens here" in refused[0].what
    assert "stray quote" in refused[0].remedy


@pytest.mark.parametrize("end", ["", "\n", "\n5.wav,five\n"])
def test_a_quote_that_never_closes_is_named_and_the_lines_after_it_are_read(end: str, folder: Path) -> None:
    path = saved(folder / "clips.csv", f'path,text\n0.wav,zero\n1.wav,"one{end}'.encode())
    found = rows_of(path)
    assert texts(path) == (["zero", "five"] if "five" in end else ["zero"])
    [refused] = [row for row in found if isinstance(row, Refused)]
    assert (refused.name, refused.what.startswith("A quote opens here")) == ("clips.csv line 3", True)


def test_a_carriage_return_within_a_line_costs_that_line_and_is_named(folder: Path) -> None:
    path = saved(folder / "clips.csv", b"path,text\r\n0.wav,zero\rmore\r\n1.wav,one\r\n")
    found = rows_of(path)
    assert texts(path) == ["one"]
    assert [str(row.what) for row in found if isinstance(row, Refused)] == [
        "It has a carriage return (CR) in the middle."
    ]


@pytest.mark.parametrize("name", ["clips.csv", "clips.tsv", "manifest.jsonl", "metadata.csv"])
def test_a_list_with_the_line_ends_of_old_macintoshes_is_refused_by_name(name: str, folder: Path) -> None:
    path = saved(folder / name, b"path,text\r0.wav,zero\r1.wav,one\r")
    with pytest.raises(DataError, match=rf"The lines of {name} end with a carriage return"):
        formats.recognise(path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8", "utf-8-sig"])
def test_a_table_in_any_unicode_encoding_is_read_with_a_mark_and_without(encoding: str, folder: Path) -> None:
    path = saved(folder / "clips.csv", "path,text\n0.wav,zéro\n1.wav,один\n".encode(encoding))
    assert texts(path) == ["zéro", "один"]


def test_two_columns_of_one_name_are_refused_by_that_name(folder: Path) -> None:
    path = saved(folder / "clips.csv", b"path,text,text\n0.wav,zero,nought\n")
    with pytest.raises(DataError, match=r"clips\.csv has two columns called “text”"):
        rows_of(path)


def test_a_label_of_several_lines_is_still_one_label(folder: Path) -> None:
    path = saved(folder / "clips.csv", b'path,text\n0.wav,"one\ntwo, three"\n1.wav,four\n')
    assert texts(path) == ["one two, three", "four"]


@pytest.mark.thorough
def test_a_table_made_of_stray_quotes_is_read_in_bounded_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_AGAIN", 1 << 20)
    line = '0.wav,"' + '""' * 20 + "x\n"
    path = saved(folder / "clips.csv", ("path,text\n" + line + '1.wav,"""a"", b.wav\n' * 60_000).encode())
    began = time.process_time()
    assert rows_of(path)
    assert time.process_time() - began < 10  # 3 s on an idle core


def test_a_list_without_a_header_keeps_its_first_row(folder: Path) -> None:
    path = saved(folder / "clips.csv", b"0.wav,order one\n1.wav,order two\n2.wav,order three\n")
    assert texts(path) == ["order one", "order two", "order three"]
    assert [column.name for column in preview(ImportPlan([path])).columns] == ["column 1", "column 2"]
    mapped = list(formats.find("csv").rows(path, ReadOptions({"audio": "column 1", "text": "column 2"})))
    assert len(mapped) == 3
    saved(folder / "rec_0.wav", recording(8))
    bare = saved(folder / "other" / "text.csv", b"0,zero\n")
    saved(folder / "other" / "rec_0.wav", recording(9))
    assert [type(row) for row in formats.find("speech-to-text-finetune").rows(bare, ReadOptions())] == [ImportRow]


@given(st.text(alphabet="'=+-@\t\rab ", max_size=6))
def test_what_was_escaped_comes_back_as_it_was(cell: str) -> None:
    assert unescaped(escaped(cell)) == cell
    assert escaped(cell)[:1] not in ("=", "+", "-", "@", "\t", "\r")


@pytest.mark.parametrize(
    ("name", "escape", "is_escaped"),
    [("csv", None, True), ("csv", False, False), ("audiofolder", None, False), ("audiofolder", True, True),
     ("speech-to-text-finetune", True, True)],
)  # fmt: skip
def test_cells_that_a_spreadsheet_would_compute_are_escaped_and_come_back(
    name: str, escape: bool | None, is_escaped: bool, tmp_path: Path
) -> None:
    labels = FORMULAS if is_escaped else FORMULAS[:4]
    dataset = dataset_in(tmp_path / "voice", labels)
    out = Path(export_data(dataset, name, tmp_path / "out", escape=escape).path)
    written = [
        cell for sheet in out.rglob("*.csv") for row in csv.reader(io.StringIO(sheet.read_text())) for cell in row
    ]
    assert any(cell[:1] in ("=", "+", "-", "@") for cell in written if cell) != is_escaped
    assert sorted(text or "" for text in texts(out)) == sorted(labels)


def test_the_switch_is_on_the_command_line(tmp_path: Path) -> None:
    dataset_in(tmp_path / "recordings" / "voice", FORMULAS)
    for switch, start in (("--escape", "'=1"), ("--no-escape", "=1")):
        words = ["--workspace", str(tmp_path), "export-data", "voice", str(tmp_path / switch), "--format", "csv"]
        assert CliRunner().invoke(app, [*words, switch]).exit_code == 0
        assert f",{start}" in (tmp_path / switch / "clips.csv").read_text()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 5), at=st.integers(0, 12))
def test_a_quote_anywhere_loses_one_row_at_most(place: int, at: int, folder: Path) -> None:
    lines = [f"{number}.wav,label {number}" for number in range(6)]
    lines[place] = lines[place][:at] + '"' + lines[place][at:]
    found = rows_of(saved(folder / "clips.csv", "\n".join(["path,text", *lines]).encode()))
    whole = [row.text for row in found if isinstance(row, ImportRow)]
    assert sum(f"label {number}" in whole for number in range(6)) >= 5
    assert len(found) >= 6
