"""Data is cut into lines at line feeds alone: U+2028, U+2029 and U+0085 may be part of a label."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import PROJECT

from studio.data import formats
from studio.data.formats.base import ImportRow, ReadOptions
from studio.data.prompts import own, parse_terms
from studio.inference.transcribe import sound_files
from studio.text import lines_of

LABELS = {
    "But it contributed to the smash.",
    "Well, did they eat.",
    "He had no excuse for the feelings which were aroused in him.",
    "Curly rushed her antagonist, who struck again and leaped aside.",
    "The wolf-dog thrust his gaunt muzzle toward him.",
    "Betweenhim and all domestic animals there must be no hostilities.",
}
MESSAGES = {  # what other programs said, shortened for people: no data
    "models/pretrained.py", "models/hub.py", "cluster/ray_jobs.py", "cluster/follower.py", "runs/supervisor.py",
    "data/formats/parquet.py", "starter/synthesis.py", "data/pair_files/reading.py", "export/onnx/streaming.py",
}  # fmt: skip


@pytest.mark.parametrize("name", ["", "manifest.json", "list.jsonl"])
def test_a_manifest_with_unicode_line_separators_comes_in_whole(name: str, cases: Path) -> None:
    path = cases / "nemo_line_separator" / name
    chosen = formats.recognise(path)
    rows = list(chosen.rows(path, ReadOptions()))
    assert chosen.name == "nemo"
    assert {row.text for row in rows if isinstance(row, ImportRow)} == LABELS
    assert len(rows) == 6


@pytest.mark.parametrize("name", ["manifest.json", "list.jsonl"])
def test_a_list_to_transcribe_with_unicode_line_separators_is_read_whole(name: str, cases: Path) -> None:
    found = sound_files(cases / "nemo_line_separator" / name)
    assert len({path for path, _ in found}) == len(found) == 6
    assert all(reference for _, reference in found)


def test_a_sound_file_whose_name_holds_a_line_separator_is_found_in_a_list(tmp_path: Path) -> None:
    (tmp_path / "a\u2028b.wav").touch()
    listing = tmp_path / "list.txt"
    listing.write_bytes("a\u2028b.wav\r\n".encode())
    assert sound_files(listing) == [(tmp_path / "a\u2028b.wav", None)]


def test_prompts_and_terms_are_cut_at_line_feeds_alone() -> None:
    assert [prompt.text for prompt in own("one\u2028two\r\nthree\x85four\n")] == ["one two", "three four"]
    assert parse_terms("Ada\u2029Lovelace\nKyutai") == ["Ada Lovelace", "Kyutai"]
    assert lines_of("a\r\nb\n") == ["a", "b"]
    assert lines_of("a\rb\n\nc") == ["a\rb", "", "c"]
    assert lines_of("") == []


def test_no_module_cuts_data_at_other_line_ends() -> None:
    package = PROJECT / "studio"
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "splitlines":
                found.add(path.relative_to(package).as_posix())
    assert found <= MESSAGES
