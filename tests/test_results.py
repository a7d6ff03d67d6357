"""What a run came to: the four answers, the page that stands alone, and runs side by side."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from finished import QUIET, clips_of, finished, read_as
from tones import config, folder_of, tones, train

from studio.cli.rendering.follow import verdict_on
from studio.errors import ConfigError, JobError, ModelError, StudioError
from studio.evaluation.cut_off import CutOffs, Turn
from studio.evaluation.evaluate import Evaluation, compare
from studio.evaluation.failure_modes import Probe
from studio.reports import comparison, run_page
from studio.reports.answers import Answer, answers, as_text
from studio.reports.charts import ticks
from studio.reports.comparison import compare_runs
from studio.reports.cut_offs import CutOffReport
from studio.reports.markdown import as_markdown
from studio.reports.result import result_of
from studio.runs.folder import RunFolder
from studio.text import words_to_digits
from studio.ui.heldout import ClipQuery, clip_page, held_out, in_short
from studio.workspace import Workspace

SAID = [f"order one two {word} please" for word in ("three", "four", "five", "six") * 15]
SCRIPT = "<script>alert(1)</script> & <b>bold</b>"


def asked(folder: RunFolder) -> dict[str, Answer]:
    found = answers(result_of(folder))
    assert [one.question for one in found] == [
        "Is it better?", "By how much?", "What did it get worse at?", "What next?",
    ]  # fmt: skip
    return dict(zip(("better", "size", "worse", "next"), found, strict=True))


def replaced(texts: list[str], share: float, word: str = "wrong") -> list[str]:
    """`texts` with one word in five replaced in `share` of them."""
    wrong = round(share * len(texts))
    return [" ".join([word, *text.split()[1:]]) if place < wrong else text for place, text in enumerate(texts)]


def test_cut_offs_that_were_measured_are_on_the_page_and_in_the_report(tmp_path: Path) -> None:
    folder = finished(tmp_path, "run", SAID, replaced(SAID, 1.0), replaced(SAID, 0.7))
    assert "Cut-offs" not in run_page.as_html(result_of(folder))
    early, late = (
        CutOffs(turns=[Turn(clip=f"{place}", last_word=2.0, ended=at) for place in range(12)]) for at in (1.5, 2.5)
    )
    sides = {"plain_before": early, "plain_after": late, "hesitating_before": early, "hesitating_after": late}
    CutOffReport(run="run", by="the pause head for 2 s at 0.5", head=2, threshold=0.5, **sides).write(folder)
    page, report = run_page.as_html(result_of(folder)), as_markdown(folder)
    for text in (page, report):
        assert "100.0 % of 12 clips cut off, 0.5 s early" in text
        assert "0.0 % of 12 clips cut off, else ended 0.5 s after the last word" in text
        assert "better: -100 points" in text


# The answers


def test_a_planted_improvement_on_sixty_clips_is_better_beyond_chance(tmp_path: Path) -> None:
    found = asked(finished(tmp_path, "run", SAID, replaced(SAID, 1.0), replaced(SAID, 0.7)))
    assert (found["better"].answer, found["better"].state) == ("Better: sure", "good")
    assert "20.0 % → 14.0 % (normaliser: exact)" in found["better"].detail
    assert "The words it recognises: fewer are wrong (20.0 % → 14.0 %)." in found["better"].detail
    assert re.fullmatch(r"Between \d+\.\d and \d+\.\d fewer wrong words in 100", found["size"].answer)
    assert found["size"].state == "good"
    assert "Measured on 60 held-out clips with 300 words: −6.0 points." in found["size"].detail
    assert "by luck in less than 0.1 % of tests" in found["size"].detail
    assert "Missed: “order”" in found["next"].detail


def test_an_adapter_that_changes_nothing_shows_no_difference_and_asks_for_more_clips(tmp_path: Path) -> None:
    wrong = replaced(SAID, 0.5)
    found = asked(finished(tmp_path, "run", SAID, wrong, wrong))
    assert (found["better"].answer, found["better"].state) == ("No difference shown", "look")
    assert re.fullmatch(r"Between \d+\.\d fewer and \d+\.\d more wrong words in 100", found["size"].answer)
    assert found["size"].state == "look"
    assert found["next"].answer == "Record more"


def test_an_adapter_that_harms_is_worse_and_points_at_the_labels(tmp_path: Path) -> None:
    found = asked(finished(tmp_path, "run", SAID, SAID, replaced(SAID, 0.6)))
    assert (found["better"].answer, found["better"].state) == ("Worse: sure", "bad")
    assert found["worse"].answer == "36 of 60 clips"
    assert found["next"].answer == "Check the labels"
    assert "--suspects" in found["next"].detail


def test_an_overfitted_adapter_turns_the_forgetting_guard_red(tmp_path: Path) -> None:
    general = (SAID, SAID, replaced(SAID, 0.8))
    folder = finished(tmp_path, "overfitted", SAID, replaced(SAID, 1.0), SAID, general=general)
    found = asked(folder)
    assert found["better"].state == "good"
    assert (found["worse"].answer, found["worse"].state) == ("Other voices", "bad")
    detail = found["worse"].detail
    assert re.search(r"Other voices: 0.0 % → 16.0 % on 60 clips \(\+\d+.\d to \+\d+.\d points\), worse: sure", detail)
    assert (found["next"].answer, found["next"].state) == ("Train more gently", "bad")
    kept = asked(finished(tmp_path, "kept", SAID, replaced(SAID, 1.0), SAID, general=(SAID, SAID, SAID)))
    assert (kept["worse"].answer, kept["worse"].state) == ("Nothing that was measured", "good")
    assert kept["next"].answer == "Use it"


def test_a_convention_that_was_learnt_is_nothing_forgotten(tmp_path: Path) -> None:
    digits = [text.replace("one two", "12") for text in SAID]
    found = result_of(finished(tmp_path, "run", SAID, digits, SAID, general=(digits, digits, SAID)))
    assert found.general is not None
    assert (found.general.before, found.general.after) == (0, 0)


def test_words_made_up_on_silence_are_an_alarm_that_comes_before_everything_else(tmp_path: Path) -> None:
    invented = [QUIET[0].model_copy(update={"text": "thank you"}), QUIET[1]]
    found = asked(finished(tmp_path, "run", SAID, replaced(SAID, 1.0), SAID, probes=invented))
    assert (found["worse"].answer, found["worse"].state) == ("It makes words up", "bad")
    assert "“thank you” written for silence" in found["worse"].detail
    assert found["next"].answer == "Train more gently"


def silence(text: str) -> list[Probe]:
    return [QUIET[0].model_copy(update={"text": text}), QUIET[1]]


@pytest.mark.parametrize(
    ("before", "after", "answer", "state"),
    [
        ("You", "two " * 40, "It repeats itself", "bad"),
        ("two " * 40, "two " * 40, "It repeats itself, as before tuning", "bad"),
        ("You", "You", "Alarms no worse than before", "look"),
        ("You", "", "Nothing that was measured", "good"),
    ],
)
def test_an_alarm_that_got_worse_is_never_as_before_and_endless_repetition_is_red(
    tmp_path: Path, before: str, after: str, answer: str, state: str
) -> None:
    folder = finished(
        tmp_path, "run", SAID, replaced(SAID, 1.0), SAID, general=(SAID, SAID, SAID), probes=silence(after)
    )
    read_as(clips_of(SAID), replaced(SAID, 1.0), None, silence(before)).write(folder.baseline)
    found = asked(folder)["worse"]
    assert (found.answer, found.state) == (answer, state)


@pytest.mark.parametrize("clips", [1, 3, 9])
def test_few_clips_are_too_few_to_say(tmp_path: Path, clips: int) -> None:
    found = asked(finished(tmp_path, "few", SAID[:clips], ["order"] * clips, SAID[:clips]))
    assert (found["better"].answer, found["better"].state) == ("Too few clips to say", "look")
    assert (found["size"].answer, found["size"].state) == ("Not known", "look")
    assert found["next"].answer == f"Hold out {10 - clips} more clip{'s' if clips < 9 else ''}"


def test_better_but_of_no_use_asks_for_more_clips(tmp_path: Path) -> None:
    half = [" ".join(text.split()[:2]) for text in SAID]
    found = asked(finished(tmp_path, "run", SAID, ["x"] * len(SAID), half))
    assert found["better"].answer == "Better: sure, but it still gets most sentences wrong"
    assert (found["better"].state, found["next"].answer) == ("look", "Record more")


def test_train_test_report_and_compare_say_the_same(tmp_path: Path) -> None:
    said = [f"order seven three two {word} please" for word in ("one", "two", "four") * 8]
    digits = [words_to_digits(text) for text in said]
    folder = finished(tmp_path, "first", said, digits, said)
    finished(tmp_path, "second", said, digits, digits)
    headline = "Better: sure, in how numbers are written"
    assert asked(folder)["better"].answer == headline
    assert in_short(result_of(folder)).headline == headline  # the Train tab
    assert verdict_on(folder).startswith(f"{headline}. By how much: between ")  # `studio train`
    assert f"**{headline}.**" in as_markdown(folder)
    assert f"Is it better? {headline}." in as_text(result_of(folder))
    assert headline in run_page.as_html(result_of(folder))
    both = side_by_side(tmp_path, ["first", "second"])
    assert [run.verdict for run in both.runs] == [headline, "No difference shown"]
    assert headline in comparison.as_text(both)


def test_headline_chart_and_table_count_worse_clips_alike(tmp_path: Path) -> None:
    long = " ".join(["call"] * 300)
    said, before = [long, "yes", *SAID[:10]], [long, "a b c d", *SAID[:10]]
    folder = finished(tmp_path, "run", said, before, [long[5:], "a b", *SAID[:10]])
    result = result_of(folder)
    assert asked(folder)["worse"].answer.startswith("1 of 12 clips")
    assert "1 clip got better, 1 got worse, 10 stayed." in run_page.as_html(result)
    dots = held_out(result).dots
    assert {kind: sum(dot.clips for dot in dots if dot.outcome == kind) for kind in ("better", "worse", "same")} == {
        "better": 1, "worse": 1, "same": 10,
    }  # fmt: skip
    assert [row.reference for row in clip_page(result, ClipQuery(show="worse")).rows] == [long]
    assert [row.reference for row in clip_page(result, ClipQuery(dot="100-100-worse")).rows] == [long]


# Bad input


def test_a_run_that_has_not_finished_has_no_result_but_a_sentence(tmp_path: Path) -> None:
    folder = finished(tmp_path, "run", SAID, SAID, SAID)
    folder.done.unlink()  # killed after the last clip was scored, before the rest
    with pytest.raises(JobError, match="has not finished") as raised:
        result_of(folder)
    assert "studio resume run" in raised.value.remedy
    folder.done.touch()
    folder.tuned.write_text(folder.tuned.read_text()[:2000])
    with pytest.raises(JobError, match="has not finished"):
        result_of(folder)


def test_scores_of_different_clips_are_not_passed_off_as_comparable(tmp_path: Path) -> None:
    folder = finished(tmp_path, "run", SAID, replaced(SAID, 1.0), SAID)
    folder.baseline.write_text(folder.baseline.read_text().replace('"test_set_hash": "', '"test_set_hash": "x'))
    assert asked(folder)["better"].answer == "Before and after cannot be compared"


def test_results_of_an_earlier_version_are_read_and_say_what_they_lack(tmp_path: Path) -> None:
    folder = finished(tmp_path, "run", SAID, replaced(SAID, 1.0), SAID)
    for path in (folder.baseline, folder.tuned):
        content = json.loads(path.read_text())
        del content["alarms"], content["probes"], content["score"]["sentence_accuracy"]
        content["rows"] = [{name: row[name] for name in row if name != "confidence"} for row in content["rows"]]
        path.write_text(json.dumps(content))
    found = result_of(folder)
    assert found.after.score.sentence_accuracy == 1.0
    assert "earlier version" in found.alarm
    assert found.before.score.wer == pytest.approx(0.2)


def test_labels_of_which_a_normaliser_leaves_nothing_are_reported_without_a_verdict(tmp_path: Path) -> None:
    folder = finished(tmp_path, "run", ["um", "uh"], ["a", "b"], ["um", "uh"])
    found = result_of(folder, "whisper")
    assert (found.after.score.words, found.verdict.change) == (0, None)
    assert "Nothing to count errors in" in as_text(found)
    assert "“whisper” leaves no word of the held-out labels" in as_text(found)
    assert "word error rate – → –" in run_page.as_html(found)
    assert "<h1>" in run_page.as_html(found)


def test_an_adapter_whose_base_has_moved_or_changed_is_refused_in_words(tmp_path: Path) -> None:
    from studio.models.adapters import BASE_NOTE

    tones(tmp_path)
    train(tmp_path, "run", config(max_steps=2))
    folder = folder_of(tmp_path, "run")
    note = folder.adapter / BASE_NOTE
    changed = json.loads(note.read_text()) | {"fingerprint": "0" * 64}
    note.write_text(json.dumps(changed))
    with pytest.raises(ModelError, match="another version") as raised:
        compare(Workspace(tmp_path), "run")
    assert raised.value.remedy
    record = json.loads(folder.config.read_text())
    folder.config.write_text(json.dumps(record | {"model": str(tmp_path / "moved-away")}))
    with pytest.raises(StudioError, match="moved-away"):
        compare(Workspace(tmp_path), "run")


def test_two_evaluations_of_one_run_are_identical_but_for_the_clock(tmp_path: Path) -> None:
    tones(tmp_path)
    train(tmp_path, "run", config(max_steps=4))

    def without_times(evaluation: Evaluation | None) -> object:
        assert evaluation is not None
        return evaluation.model_copy(
            update={"rows": [row.model_copy(update={"latency": 0}) for row in evaluation.rows]}
        )

    workspace = Workspace(tmp_path)
    first, second = compare(workspace, "run"), compare(workspace, "run")
    assert without_times(first.before) == without_times(second.before)
    assert without_times(first.after) == without_times(second.after)
    folder = folder_of(tmp_path, "run")
    assert result_of(folder) == result_of(folder)


@pytest.mark.thorough
def test_an_evaluation_that_is_stopped_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    tones(tmp_path)
    output = tmp_path / "scores.json"
    code = (
        "import sys, studio.evaluation.evaluate as e\n"
        "from pathlib import Path\n"
        "from studio.workspace import Workspace\n"
        "def stop(done, total): raise KeyboardInterrupt\n"
        "e.save(e.compare(Workspace(Path(sys.argv[1])), 'tones', model='echo', on_progress=stop), Path(sys.argv[2]))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(output)], capture_output=True, env=environment
    )
    assert b"KeyboardInterrupt" in ended.stderr
    assert list(tmp_path.glob("*scores.json*")) == []


# The page


class Reader(HTMLParser):
    """Checks that every element is closed, and keeps what a reader sees and what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def read_page(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_holds_every_figure_that_a_report_owes(tmp_path: Path) -> None:
    clips = clips_of(SAID, speaker="anna")
    general = (SAID, SAID, SAID)
    folder = finished(
        tmp_path, "run", SAID, replaced(SAID, 1.0), replaced(SAID, 0.5), clips=clips, general=general, seed=7
    )
    found = result_of(folder)
    text = " ".join(read_page(run_page.as_html(found)).text.split())
    for owed in (
        found.test_set_hash, "60 clips", "3.0 min", "anna", "learning_rate", "0.02", "torch", "Seed7", "61 s", "512 MB",
        "Most improved", "Best now", "Worst now", "Drawn at random", "studio train tones", "studio report run",
        "Is it better?", "Better: sure", "By how much?", "What did it get worse at?", "What next?",
        "Whole sentences right",
        "normaliser: exact", "Seconds to transcribe one second",
        "Written for 5 s of silence", "order → wrong", "General set",
    ):  # fmt: skip
        assert owed in text, owed


def test_the_page_asks_nothing_of_anybody_and_no_label_is_markup_in_it(tmp_path: Path) -> None:
    folder = finished(tmp_path, "run", [SCRIPT, *SAID], ["", *SAID], [SCRIPT + " \x1b[31m", *SAID])
    page = run_page.as_html(result_of(folder))
    reader = read_page(page)
    assert reader.fetched == []
    assert "url(" not in page
    assert "@import" not in page
    assert {"script", "link", "img", "iframe", "b"} & set(reader.tags) == {"b"}
    assert reader.tags.count("b") == 4  # the answers
    assert SCRIPT in reader.text
    assert "\x1b" not in page
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    folder = finished(tmp_path, "run", SAID, replaced(SAID, 1.0), SAID)
    assert run_page.as_html(result_of(folder)) == run_page.as_html(result_of(folder))


@pytest.mark.parametrize("top", [1e-6, 0.03, 0.8, 1, 7, 60, 12_345])
def test_ticks_reach_the_top_in_few_round_steps(top: float) -> None:
    marks = ticks(top)
    assert marks[0] == 0
    assert top <= marks[-1] * (1 + 1e-9)
    assert 3 <= len(marks) <= 6


# Side by side

THIRD = "third.run"


def side_by_side(root: Path, names: list[str]) -> comparison.RunComparison:
    return compare_runs([folder_of(root, name) for name in names])


def test_runs_are_compared_in_one_table_with_only_the_settings_that_differ(tmp_path: Path) -> None:
    finished(tmp_path, "first", SAID, replaced(SAID, 1.0), replaced(SAID, 0.8))
    finished(tmp_path, "second", SAID, replaced(SAID, 1.0), SAID, rank=16, seed=3)
    found = side_by_side(tmp_path, ["first", "second"])
    assert found.same_test
    assert [(row.name, row.values) for row in found.settings] == [("rank", [8, 16]), ("seed", [42, 3])]
    against = found.runs[1].against_first
    assert against is not None
    assert (against.verdict, round(against.change, 3)) == ("better", -0.16)
    assert found.runs[0].against_first is None
    text = comparison.as_text(found)
    assert re.search(r"^WER after +16.0 % +0.0 %$", text, re.MULTILINE)
    assert re.search(r"^rank +8 +16$", text, re.MULTILINE)
    assert "learning_rate" not in text
    assert "second has the lowest word error rate: 0.0 % on 60 held-out clips." in text


def test_the_comparisons_page_lays_the_curves_over_each_other_and_asks_nothing_of_anybody(tmp_path: Path) -> None:
    for name in ("first", "second", THIRD):
        finished(tmp_path, name, SAID, replaced(SAID, 1.0), SAID)
    page = comparison.as_html(side_by_side(tmp_path, ["first", "second", THIRD]))
    reader = read_page(page)
    assert reader.fetched == []
    assert reader.tags.count("polyline") == 6  # WER and loss of three runs
    assert "All settings are the same." in reader.text
    assert f"studio compare first second {THIRD}" in reader.text


@pytest.mark.thorough
def test_the_lowest_rate_is_not_called_the_best_where_it_may_be_chance(tmp_path: Path) -> None:
    finished(tmp_path, "first", SAID, replaced(SAID, 1.0), replaced(SAID, 0.1))
    finished(tmp_path, "second", SAID, replaced(SAID, 1.0), replaced(SAID, 0.12))
    finished(tmp_path, THIRD, SAID, replaced(SAID, 1.0), replaced(SAID, 0.9))
    assert "That may be chance" in comparison.as_text(side_by_side(tmp_path, ["first", "second"]))
    assert "That may be chance" in comparison.as_text(side_by_side(tmp_path, ["second", "first"]))
    assert "That may be chance" not in comparison.as_text(side_by_side(tmp_path, ["first", THIRD]))
    assert "That may be chance" not in comparison.as_text(side_by_side(tmp_path, [THIRD, "first"]))


def test_runs_on_different_clips_are_shown_and_not_compared(tmp_path: Path) -> None:
    finished(tmp_path, "first", SAID, SAID, SAID)
    finished(tmp_path, "second", SAID[:30], SAID[:30], SAID[:30])
    found = side_by_side(tmp_path, ["first", "second"])
    assert not found.same_test
    assert found.runs[1].against_first is None
    assert "cannot be compared" in comparison.as_text(found)


@pytest.mark.parametrize("names", [["first"], ["first", "first"], [f"r{place}" for place in range(13)]])
def test_a_number_of_runs_that_makes_no_table_is_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ConfigError, match="cannot be compared"):
        side_by_side(tmp_path, names)


@pytest.mark.thorough
def test_the_verbs_print_text_or_json_and_write_pages(tmp_path: Path) -> None:
    for name in ("first", "second"):
        finished(tmp_path, name, SAID, replaced(SAID, 1.0), SAID)

    def studio(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "studio", "--workspace", str(tmp_path), *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    page = tmp_path / "kept" / "report.html"
    told = studio("report", "first", "--html", str(page))
    assert "Is it better? Better: sure." in told.stdout
    assert page.read_text().startswith("<!DOCTYPE html>")
    report = json.loads(studio("report", "first", "--json", "--normaliser", "whisper").stdout)
    assert (report["normaliser"], report["answers"][0]["answer"]) == ("whisper", "Better: sure")
    both = json.loads(studio("compare", "first", "second", "--json").stdout)
    assert [run["run"] for run in both["runs"]] == ["first", "second"]
    missing = studio("report", "no-such-run")
    assert (missing.returncode, "studio runs" in missing.stderr) == (1, True)
    assert "Traceback" not in missing.stderr
