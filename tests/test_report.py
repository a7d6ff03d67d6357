"""The report: what a person finds in it, and that no label can break it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from finished import finished
from hypothesis import given
from hypothesis import strategies as st
from tones import config, folder_of, tones, train

from studio.errors import JobError
from studio.evaluation.evaluate import Evaluation
from studio.reports.markdown import as_markdown, escaped, table, write_report
from studio.runs.events import Finished
from studio.workspace import Workspace

NASTY = "pipe | `code` *bold* _under_ <b>html</b> <script>x</script> [link](http://x) # $x$ ~~s~~ \\ & &amp;"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run over tones."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    train(root, "taught", config())
    return root


@pytest.fixture(scope="module")
def text(workspace: Path) -> str:
    return folder_of(workspace, "taught").report.read_text()


def cells(line: str) -> int:
    """How many cells a reader of markdown sees in a row."""
    return len(re.split(r"(?<!\\)(?:\\\\)*\|", line)) - 2


def test_the_headline_says_before_and_after_on_how_much_and_how_compared(text: str) -> None:
    head = text.split("\n\n")
    assert head[0] == "# taught: word error rate 80.0 % → 0.0 %"
    assert head[1].startswith("**Too few clips to say.** It takes 10, and only 4 clips were held out")
    assert "4 held-out clips with 20 words" in head[2]
    assert "(`exact`)" in head[2]
    assert "12 clips" in head[2]


def test_it_holds_scores_settings_time_memory_samples_versions_files_and_the_command(text: str) -> None:
    assert "| WER, `exact` | 80.0 % | **0.0 %** |" in text
    assert "| CER, `exact` |" in text
    assert "| WER, `spoken` | 0.0 % | 0.0 % |" in text
    assert "Errors per digit" not in text  # of 16 digits a rate says nothing
    assert re.search(r"\| Words wrong \| 16 of 20 \(\d+ replaced, \d+ missing, \d+ added\) \| 0 of 20", text)
    assert re.search(r"\| Wall time \| \d+ s \|", text)
    assert re.search(r"\| Peak memory \| [\d,]+ MB \|", text)
    assert re.search(r"\| order [a-z ]+ \| order \d{4} \| order [a-z ]+ \| 80.0 % → 0.0 % \|", text)
    assert "| `learning_rate` | 0.02 | changed |" in text
    assert "studio train tones --model echo" in text
    assert "torch 2" in text
    assert "`lora_adapter/`" in text


def test_the_validation_table_marks_the_step_that_was_kept(text: str) -> None:
    table = text.split("## Validation while training")[1].split("##")[0]
    steps = re.findall(r"^\| (\d+) \|", table, re.MULTILINE)
    assert steps == ["0", "4", "8", "10"]
    assert table.count("| kept |") == 1


def test_every_table_row_has_as_many_cells_as_its_head(text: str) -> None:
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        assert len({cells(line) for line in block.strip().splitlines()}) == 1


def test_a_clip_that_got_worse_is_never_listed_as_improved(tmp_path: Path) -> None:
    said = ["call anna", "room one", "yes please", "order two", "no thanks", "good morning"] * 4
    before = ["call anna", "room won", *said[2:]]
    after = ["call hannah", "room one", *said[2:5], "good", *said[6:]]
    text = as_markdown(finished(tmp_path, "run", said, before, after))
    kinds = dict(part.split("\n", 1) for part in text.split("## Samples")[1].split("\n## ")[0].split("### ")[1:])
    assert "room won" in kinds["Most improved"]
    assert "call hannah" not in kinds["Most improved"]
    assert kinds["Most improved"].count("→") == 1
    assert "call hannah" in kinds["Worse than before"]
    assert kinds["Worse than before"].count("→") == 2


def test_the_report_says_the_verdict_and_a_digit_error_only_of_many_digits(tmp_path: Path) -> None:
    said = [f"order {number}" for number in range(1000, 1020)]
    text = as_markdown(finished(tmp_path, "run", said, ["order 9"] * 20, said))
    assert "**Better: sure.** By how much: between " in text
    assert re.search(r"\| Errors per digit spoken \| \d+.\d % \| 0.0 % \|", text)


def test_labels_with_markup_show_as_they_are(workspace: Path) -> None:
    folder = folder_of(workspace, "nasty")
    source = folder_of(workspace, "taught")
    for name in ("config.json", "events.jsonl"):
        (folder.path / name).write_bytes((source.path / name).read_bytes())
    for here, there in ((source.baseline, folder.baseline), (source.tuned, folder.tuned)):
        found = Evaluation.read(here)
        assert found is not None
        rows = [
            row.model_copy(update={"reference": NASTY, "hypothesis": "two\nlines\r| \x1b[31m"}) for row in found.rows
        ]
        found.model_copy(update={"rows": rows}).write(there)
    write_report(folder)
    report = folder.report.read_text()
    assert "<b>" not in report
    assert "<script>" not in report
    assert "\x1b" not in report
    for line in report.splitlines():
        if "bold" in line:
            assert cells(line) == 4


@given(st.text(max_size=60))
def test_an_escaped_text_is_one_cell_on_one_line_without_html(text: str) -> None:
    row = table(["a", "b"], [[escaped(text), "end"]]).split("\n")
    assert len(row) == 3
    assert cells(row[2]) == 2
    assert not re.search(r"<[a-zA-Z/!?]", escaped(text))
    assert escaped(text).isprintable() or not text.isprintable()


def test_steps_that_a_resume_took_back_are_not_reported(workspace: Path) -> None:
    folder, source = folder_of(workspace, "resumed"), folder_of(workspace, "taught")
    for name in ("config.json", "heldout_baseline.json", "heldout_tuned.json"):
        (folder.path / name).write_bytes((source.path / name).read_bytes())
    lines = source.events.read_text().splitlines()
    started = next(line for line in lines if '"type":"started"' in line)
    again = started.replace('"resumed_from":0', '"resumed_from":4')
    folder.events.write_text("\n".join([*lines[:-1], again, lines[-1]]) + "\n")
    table = as_markdown(folder).split("## Validation while training")[1].split("##")[0]
    assert re.findall(r"^\| (\d+) \|", table, re.MULTILINE) == ["0", "4"]


def test_warnings_are_in_the_report_once_each(workspace: Path, text: str) -> None:
    assert text.count("a single wrong word moves its WER") == 1


def test_without_scores_there_is_no_report_but_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="was not scored before and after"):
        as_markdown(folder_of(tmp_path, "empty"))


def test_a_run_that_was_followed_by_nobody_still_has_a_report(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.train.finetune import run

    monkeypatch.setenv("STUDIO_WORKSPACE", str(workspace))
    folder = folder_of(workspace, "unheard")
    *_, finished = run(config(max_steps=2), folder, Workspace(workspace))
    assert isinstance(finished, Finished)
    assert not folder.events.exists()
    assert "Wall time" in folder.report.read_text()
