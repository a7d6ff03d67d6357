"""Pairs from other programs and to them, what a check says of them, and the verbs that do it."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from studio.cli import app, runs
from studio.data.formats.base import ReadOptions
from studio.data.manifest import Dataset
from studio.data.pair_files import importing
from studio.data.pair_files.exporting import export_pairs
from studio.data.pair_files.importing import import_pairs
from studio.data.quality import check, pairs
from studio.data.view.table import Table
from studio.errors import DataError

ROWS = [("teh cat", "the cat"), ("a  dog", "a dog"), ("all well", "all well")]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "recordings" / "mine")


def _sides(dataset: Dataset) -> list[tuple[str, str]]:
    return [(pair.typed, pair.text) for pair in Dataset(dataset.folder).pairs()]


def _written(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps({"input": one, "output": two}) + "\n" for one, two in ROWS))
    elif name.endswith(".parquet"):
        parquet = pytest.importorskip("pyarrow.parquet")
        arrow = pytest.importorskip("pyarrow")
        table = arrow.table({"input": [one for one, _ in ROWS], "output": [two for _, two in ROWS]})
        parquet.write_table(table, path)
    else:
        mark = "\t" if name.endswith(".tsv") else ","
        head = "" if "bare" in name else f"source{mark}target\n"
        path.write_text(head + "".join(f"{one}{mark}{two}\r\n" for one, two in ROWS))
    return path


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.tsv", "bare.tsv", "pairs.csv", "pairs.parquet"])
def test_pairs_come_in_from_every_kind_of_file_and_are_undone_as_one(
    dataset: Dataset, tmp_path: Path, name: str
) -> None:
    report = import_pairs(dataset, [_written(tmp_path, name)])
    assert (report.added, report.clean, report.skipped) == (3, 1, 0)
    assert _sides(dataset) == ROWS
    opened = Dataset(dataset.folder)
    assert opened.history()[0].what == f"3 pairs imported from {name}"
    opened.undo()
    assert opened.pairs() == []
    opened.redo()
    assert len(opened.pairs()) == 3


def test_what_cannot_come_in_is_named_with_its_reason(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    lines = ["{", '["a"]', '{"input": "a"}', '{"input": 1, "output": "b"}', '{"input": "", "output": "b"}']
    lines += [
        json.dumps({"input": "x" * 900_000, "output": "x"}),
        json.dumps({"input": "x", "output": "y" * 2_000_000}),
    ]
    good = json.dumps({"input": "ok", "output": "OK", "split": "dev", "mood": "fine", "id": "theirs"})
    path.write_bytes("\n".join([*lines, good, good]).encode() + b'\n{"input": "\xff", "output": "b"}\n')
    report = import_pairs(dataset, [path])
    assert (report.added, report.already, report.skipped) == (1, 1, 8)
    said = " ".join(group.reason for group in report.reasons)
    for reason in (
        "not JSON",
        "not an object",
        "no output",
        "input is not text",
        "is empty",
        "900,000",
        "1 MB",
        "UTF-8",
    ):
        assert reason in said
    (pair,) = Dataset(dataset.folder).pairs()
    assert (pair.split, pair.model_extra) == ("validation", {"mood": "fine"})
    assert pair.id != "theirs"


def test_an_import_never_puts_a_sentence_on_two_sides(dataset: Dataset, tmp_path: Path) -> None:
    Dataset.create(dataset.folder, "typing").add_pair("se you", "See you", split="test")
    path = tmp_path / "split.jsonl"
    rows = [("see yo", "see you", "train"), ("a1", "A one", "train"), ("a-1", "a one", "test"), ("b", "B two", "")]
    path.write_text("".join(json.dumps({"input": a, "output": b, "split": c}) + "\n" for a, b, c in rows))
    report = import_pairs(dataset, [path])
    sides = {pair.typed: pair.split for pair in Dataset(dataset.folder).pairs()}
    assert (sides["see yo"], sides["a1"], sides["a-1"]) == ("test", "train", "train")
    assert report.moved == 2
    assert Dataset(dataset.folder).problems() == []


def test_a_cancelled_import_has_not_happened(dataset: Dataset, tmp_path: Path) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_pairs(dataset, [_written(tmp_path, "pairs.jsonl")], tell=stop)
    assert not dataset.folder.exists()
    for name, said in (("none.jsonl", "nothing at"), ("pairs.docx", "no list of pairs")):
        (tmp_path / "pairs.docx").touch()
        with pytest.raises(DataError, match=said):
            import_pairs(dataset, [tmp_path / name])
    (tmp_path / "four.csv").write_text("a,b,c,d\n1,2,3,4\n")
    with pytest.raises(DataError, match="No columns of four"):
        import_pairs(dataset, [tmp_path / "four.csv"])
    assert not dataset.folder.exists()
    chosen = ReadOptions({"input": "a", "output": "d"})
    assert import_pairs(dataset, [tmp_path / "four.csv"], chosen).added == 1


def test_memory_stays_flat_as_an_import_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_UNDONE", 100)
    import_pairs(Dataset(tmp_path / "warm"), [_many(tmp_path, 200)])
    peaks = [_peak(tmp_path, count) for count in (1_000, 4_000)]
    assert peaks[1] < peaks[0] + 1_000_000, "3,000 pairs held in memory would take 3 MB and more"
    assert "cannot be undone" in import_pairs(Dataset(tmp_path / "more"), [_many(tmp_path, 101)]).notes[0]
    assert Dataset(tmp_path / "more").history() == []


def _many(folder: Path, count: int) -> Path:
    path = folder / f"{count}.tsv"
    path.write_text(
        "".join(f"sentense nubmer {place} of many\tSentence number {place} of many\n" for place in range(count))
    )
    return path


def _peak(folder: Path, count: int) -> int:
    path = _many(folder, count)
    tracemalloc.start()
    import_pairs(Dataset(folder / f"d{count}"), [path])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("format", ["jsonl", "tsv"])
def test_what_is_exported_comes_in_again_as_it_was(dataset: Dataset, tmp_path: Path, format: str) -> None:
    import_pairs(dataset, [_written(tmp_path, "pairs.jsonl")])
    own = Dataset(dataset.folder)
    report = export_pairs(own, format, tmp_path / "out")
    assert (report.pairs, Path(report.path).name) == (3, f"out.{format}")
    again = Dataset(tmp_path / "again")
    import_pairs(again, [Path(report.path)])
    assert _sides(again) == ROWS
    assert [pair.split for pair in Dataset(again.folder).pairs()] == [pair.split for pair in own.pairs()]
    with pytest.raises(DataError, match="is there already"):
        export_pairs(own, format, tmp_path / "out")
    with pytest.raises(DataError, match="cannot be written as nemo"):
        export_pairs(own, "nemo", tmp_path / "other")


@pytest.mark.parametrize(
    ("typed", "text", "code"),
    [
        ("teh cat sat on the mat", "The cat sat on the mat.", ""),
        ("I am fine", "I am fine", ""),
        ("see you at the station tomorow", "See you.", "ratio"),
        ("i wanna go home now", "It would please me to leave", "paraphrase"),
        ("privet kak dela", "привет как дела", "script"),
        ("hello\u202eworld again", "hello world again", "control"),
        ("wirte to eva@example.org", "Write to eva@example.org", "secret"),
        ("my card is 4111 1111 1111 1111", "My card is 4111 1111 1111 1111", "secret"),
        ("order 4111 1111 1111 1112 plaese", "order 4111 1111 1111 1112 please", ""),
        ("teh password is hunter2", "the password is hunter2", "secret"),
        ("key sk-abcdefghij0123456789", "Key sk-abcdefghij0123456789", "secret"),
        ("شكرا جزيل", "شكرا جزيلا", ""),
        ("great 👍🏽 jbo", "great 👍🏽 job", ""),
    ],
)
def test_each_fault_of_a_pair_is_found_and_nothing_else(tmp_path: Path, typed: str, text: str, code: str) -> None:
    pair = Dataset.create(tmp_path / "one", "typing").add_pair(typed, text)
    assert [finding.code for finding in pairs.findings(pair)] == ([code] if code else [])


def test_a_check_counts_the_findings_of_pairs_and_finds_twins(dataset: Dataset) -> None:
    own = Dataset.create(dataset.folder, "typing")
    for typed, text in (("teh cat", "the cat"), ("teh cat", "The cat!"), ("fine", "fine")):
        own.add_pair(typed, text)
    report = check.report(own)
    assert (report.kind, report.clips, report.unmeasured, report.verdicts["look"]) == ("typing", 3, 0, 2)
    assert [count.code for count in report.counts] == ["twin"]
    assert Table.of(own).ids("has twins") == [pair.id for pair in own.pairs()[:2]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    return lambda *words: CliRunner().invoke(app, list(words))


def test_the_verbs_import_check_and_export_pairs(run: Any, tmp_path: Path) -> None:
    _written(tmp_path, "pairs.jsonl")
    shown = run("import", "mine", "pairs.jsonl", "--dry-run")
    assert "teh cat → the cat" in shown.output
    assert not (tmp_path / "recordings").exists()
    done = run("import", "mine", "pairs.jsonl")
    assert (done.exit_code, done.output) == (0, "3 pairs added (1 of them without a typo).\n")
    assert run("check", "mine").output.startswith("3 pairs: 3 fine, 0 to look at.")
    Dataset.open(tmp_path / "recordings" / "mine").add_pair("my pin is 1234", "My pin is 1234")
    assert run("check", "mine").exit_code == 1
    out = run("export-data", "mine", "out", "--format", "tsv")
    assert out.exit_code == 0
    assert (tmp_path / "out.tsv").read_text().splitlines()[1].startswith("teh cat\tthe cat\t")
    assert runs._usual_model("mine") == "typing-starter"
    assert runs._usual_model("none") != "typing-starter"
    assert "holds typing pairs" in str(run("import", "mine", "pairs.jsonl", "--kind", "speech").exception)
