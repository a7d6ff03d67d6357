"""A label is what one clip says: text of any length is refused with a sentence, by whichever way it comes in."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from browsing import served
from sounds import recording, saved
from typer.testing import CliRunner

from studio.cli import app
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.importing import import_data
from studio.data.import_export.previewing import preview
from studio.data.manifest import Dataset
from studio.data.utterance import LONGEST_LABEL, checked_label
from studio.errors import DataError

LONG = "word " * (LONGEST_LABEL // 5 + 1)
SAYS = f"a clip's label can have {LONGEST_LABEL:,} at most"


def test_a_label_has_a_limit_and_the_longest_one_passes() -> None:
    longest = "a" * LONGEST_LABEL
    assert checked_label(f"  {longest}\n") == longest
    with pytest.raises(DataError, match=SAYS):
        checked_label(longest + "a")


def test_twenty_megabytes_are_refused_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(DataError, match="20,000,000 characters"):
        checked_label("é" * 20_000_000)
    assert time.monotonic() - began < 60


def test_a_long_label_comes_in_neither_by_the_library_nor_by_an_import(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "voice")
    with pytest.raises(DataError, match=SAYS):
        dataset.add(recording(), text=LONG)
    clip = dataset.add(recording(), text="yes")
    with pytest.raises(DataError, match=SAYS):
        dataset.edit(clip.id, text=LONG)
    rows = [{"audio_filepath": f"{number}.wav", "text": text} for number, text in enumerate((LONG, "no"))]
    saved(tmp_path / "in" / "manifest.jsonl", "\n".join(map(json.dumps, rows)).encode())
    for number in range(2):
        saved(tmp_path / "in" / f"{number}.wav", recording(number + 5))
    found = preview(ImportPlan([tmp_path / "in"]))
    report = import_data(dataset, ImportPlan([tmp_path / "in"]))
    assert (found.clips, found.skipped, report.added, report.skipped) == (1, 1, 1, 1)
    assert SAYS in found.reasons[0].reason
    assert SAYS in report.reasons[0].reason
    assert [clip.text for clip in dataset.utterances()] == ["yes", "no"]


def test_the_command_line_says_why_a_long_label_stays_outside(tmp_path: Path) -> None:
    saved(tmp_path / "in" / "a.wav", recording())
    saved(tmp_path / "in" / "a.txt", LONG.encode())
    result = CliRunner().invoke(app, ["--workspace", str(tmp_path), "import", "voice", str(tmp_path / "in")])
    assert SAYS in result.output


@pytest.mark.thorough
def test_the_page_and_its_api_refuse_a_long_label_and_keep_the_old_one(tmp_path: Path) -> None:
    with served(tmp_path) as studio, studio.client() as client:
        audio = {"audio": ("take.wav", recording(1, 1.0))}
        kept = client.post("studio/record/voice", files=audio, data={"text": "yes"}).json()["clip"]
        answers = [
            client.post("studio/record/voice", files={"audio": ("b.wav", recording(2, 1.0))}, data={"text": LONG}),
            client.post(f"studio/clips/voice/{kept['id']}", json={"text": LONG}),
            client.post("studio/change/voice", json={"selection": {"ids": [kept["id"]]}, "changes": {"text": LONG}}),
        ]
        assert [answer.status_code for answer in answers] == [400, 400, 400]
        assert all(SAYS in answer.json()["what"] for answer in answers)
    assert [clip.text for clip in Dataset(tmp_path / "recordings" / "voice").utterances()] == ["yes"]
