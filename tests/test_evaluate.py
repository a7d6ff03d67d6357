"""Scoring a split: what is counted, what is left out, and what is written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_models
from finished import clips_of
from tones import config, tones, train, wav

from studio.data.manifest import Dataset
from studio.data.splits.assignment import test_set_hash as hash_of_test_set
from studio.errors import DataError, JobError
from studio.evaluation.evaluate import (
    Comparison,
    Evaluation,
    as_text,
    compare,
    evaluate,
    open_dataset,
    save,
    scored,
)
from studio.models import Hypothesis, Recogniser, load
from studio.models.limits import in_batches
from studio.runs.folder import RunFolder
from studio.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Tones, and one finished run over them."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    train(root, "taught", config())
    return Workspace(root)


@pytest.fixture(scope="module")
def dataset(workspace: Workspace) -> Dataset:
    return open_dataset(workspace, "tones")


@pytest.fixture(scope="module")
def taught(workspace: Workspace) -> Recogniser:
    return load("echo", adapter=workspace.run("taught") / "lora_adapter")


def test_every_clip_of_the_split_is_read_and_scored_alone_and_together(taught: Recogniser, dataset: Dataset) -> None:
    base = evaluate(taught, dataset, with_adapter=False)
    clips = [clip for clip in dataset.utterances() if clip.split == "test"]
    assert [row.id for row in base.rows] == [clip.id for clip in clips]
    assert [row.reference for row in base.rows] == [clip.text for clip in clips]
    assert all(row.hypothesis.split()[1].isdigit() for row in base.rows)
    assert base.score.wer == pytest.approx(sum(row.wer for row in base.rows) / 4)  # all have five words
    assert base.spoken.wer == 0
    assert base.adapter is None
    assert all(row.seconds == pytest.approx(0.5) and row.latency > 0 for row in base.rows)


def test_before_and_after_differ_only_by_the_adapter_and_share_the_test_sets_name(
    taught: Recogniser, dataset: Dataset
) -> None:
    before = evaluate(taught, dataset, with_adapter=False)
    after = evaluate(taught, dataset, adapter="taught")
    assert (before.score.wer, after.score.wer) == (0.8, 0.0)
    assert before.test_set_hash == after.test_set_hash == hash_of_test_set(dataset.utterances())
    assert after.adapter == "taught"
    assert evaluate(taught, dataset, with_adapter=False).score == before.score


def test_the_normaliser_is_named_in_the_score(taught: Recogniser, dataset: Dataset) -> None:
    spoken = evaluate(taught, dataset, normaliser="spoken", with_adapter=False)
    assert (spoken.score.normaliser, spoken.score.wer) == ("spoken", 0)


def test_progress_counts_clips_to_the_end(
    taught: Recogniser, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.models.limits.BATCH_SECONDS", 1.0)
    seen: list[tuple[int, int]] = []
    evaluate(taught, dataset, "train", on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 12), (4, 12), (6, 12), (8, 12), (10, 12), (12, 12)]


def test_batches_hold_so_many_seconds_and_keep_the_order(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = dataset.utterances()
    monkeypatch.setattr("studio.models.limits.BATCH_SECONDS", 1.2)
    batches = list(in_batches(clips, lambda clip: clip.duration))
    assert [clip for batch in batches for clip in batch] == clips
    assert all(len(batch) == 2 for batch in batches)
    monkeypatch.setattr("studio.models.limits.BATCH_SECONDS", 0.1)
    assert [len(batch) for batch in in_batches(clips, lambda clip: clip.duration)] == [1] * len(clips)
    assert list(in_batches([], float)) == []


def test_a_clip_that_cannot_be_read_is_named_and_left_out(taught: Recogniser, tmp_path: Path) -> None:
    dataset = tones(tmp_path)
    spoilt = next(clip for clip in dataset.utterances() if clip.split == "test")
    dataset.clip_path(spoilt).write_text("this is no sound")
    result = evaluate(taught, dataset)
    assert len(result.rows) == 3
    assert len(result.skipped) == 1
    assert spoilt.id in result.skipped[0]
    assert "not a sound file" in result.skipped[0]


def test_a_clip_longer_than_the_model_hears_is_left_out(taught: Recogniser, tmp_path: Path) -> None:
    dataset = tones(tmp_path)
    dataset.add(wav("a" * 700), text="long", split="test")
    assert "35 s is too long: this model takes 30 s" in evaluate(taught, dataset).skipped[0]


def test_a_split_without_clips_says_so(taught: Recogniser, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The test split of “tones” has no clip to score"):
        evaluate(taught, tones(tmp_path, clips=3))


def test_clips_without_a_label_are_named_and_where_all_are_the_evaluation_says_so(
    taught: Recogniser, tmp_path: Path
) -> None:
    dataset = tones(tmp_path)
    clips = [clip for clip in dataset.utterances() if clip.split == "test"]
    empty = [clip.model_copy(update={"text": " "}) for clip in clips]
    result = evaluate(taught, dataset, clips=[empty[0], *clips[1:]])
    assert (len(result.rows), result.skipped) == (3, [f"{clips[0].id} (it has no label)"])
    with pytest.raises(DataError, match="no clip to score"):
        evaluate(taught, dataset, clips=empty)


def test_a_label_that_the_model_cannot_write_counts_before_and_after_alike_and_is_reported(tmp_path: Path) -> None:
    dataset = tones(tmp_path)
    clips = [clip for clip in dataset.utterances() if clip.split == "test"][:2]
    long = clips[0].model_copy(update={"text": "z" * 60})
    short = clips[1].model_copy(update={"text": "yes"})
    recogniser = load(str(tiny_models.whisper(tmp_path / "whisper", max_target_positions=24)), "cpu")
    before = evaluate(recogniser, dataset, clips=[long, short], with_adapter=False)
    after = evaluate(recogniser, dataset, clips=[long, short])
    for found in (before, after):
        assert [row.id for row in found.rows] == [long.id, short.id]
        assert len(found.unwritable) == 1
        assert found.unwritable[0].startswith(f"{long.id} (The label has 61 tokens; the model writes 22 at most)")
    told = as_text(Comparison(before=before, after=after))
    assert f"always wrong: the model cannot write the label: {long.id}" in told
    assert Evaluation.model_validate_json(before.model_dump_json()).unwritable == before.unwritable
    assert evaluate(load("echo"), dataset).unwritable == []


def test_one_held_out_clip_alone_is_scored(taught: Recogniser, dataset: Dataset) -> None:
    one = next(clip for clip in dataset.utterances() if clip.split == "test")
    result = evaluate(taught, dataset, clips=[one])
    assert (result.score.clips, result.score.sentence_accuracy) == (1, 1.0)


def test_a_run_without_held_out_clips_is_refused_in_words(workspace: Workspace) -> None:
    manifest = RunFolder(workspace.run("taught")).manifest
    whole = manifest.read_text()
    try:
        manifest.write_text("".join(line + "\n" for line in whole.splitlines() if '"split":"test"' not in line))
        with pytest.raises(DataError, match="The test split of “tones” has no clip to score"):
            compare(workspace, "taught")
    finally:
        manifest.write_text(whole)


def test_an_evaluation_comes_back_from_disk_as_it_was(taught: Recogniser, dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    result = evaluate(taught, dataset)
    assert Evaluation.read(path) is None
    result.write(path)
    assert Evaluation.read(path) == result
    path.write_text(path.read_text()[:-20])
    assert Evaluation.read(path) is None


def test_a_run_is_compared_on_the_clips_it_began_with(workspace: Workspace, tmp_path: Path) -> None:
    result = compare(workspace, "taught", normaliser="exact", device="cpu")
    kept = Evaluation.read(workspace.run("taught") / "heldout_tuned.json")
    assert kept is not None
    assert result.after is not None
    assert result.after.score == kept.score
    assert result.after.test_set_hash == kept.test_set_hash
    assert result.before.score.wer == 0.8
    save(result, tmp_path / "out.json")
    assert Comparison.model_validate(json.loads((tmp_path / "out.json").read_text())) == result


def test_a_model_is_scored_on_a_dataset_with_and_without_an_adapter(workspace: Workspace) -> None:
    alone = compare(workspace, "tones", model="echo", split="validation")
    assert alone.after is None
    assert alone.before.split == "validation"
    adapter = workspace.run("taught") / "lora_adapter"
    both = compare(workspace, str(workspace.recordings / "tones"), model="echo", adapter=adapter)
    assert both.after is not None
    assert (both.before.score.wer, both.after.score.wer) == (0.8, 0.0)
    assert both.after.adapter == str(adapter)


def test_a_comparison_reads_as_a_few_lines(workspace: Workspace) -> None:
    text = as_text(compare(workspace, "taught"))
    assert "echo: 4 clips of the test split, 20 words" in text
    assert "WER, exact" in text
    assert "80.0 % → 0.0 %" in text


@pytest.mark.parametrize("name", ["no-such", "config-only"])
def test_what_is_not_there_is_said_with_what_to_do(name: str, workspace: Workspace) -> None:
    with pytest.raises(JobError, match="studio runs"):
        compare(workspace, "no-such-run")
    with pytest.raises(DataError, match="studio record"):
        compare(workspace, name, model="echo")


def test_a_german_model_is_also_scored_as_german_is_spoken() -> None:
    """Digits or words: the second figure of every evaluation looks past it, in the model's own language."""
    clips, heard = clips_of(["Zimmer 129"]), [Hypothesis(text="zimmer eins zwei neun", seconds=1, latency=0.1)]
    found = scored(clips, heard, model="openai/whisper-base:de", adapter=None, normaliser="exact")
    assert (found.spoken.normaliser, found.spoken.wer) == ("spoken-de", 0)
    assert scored(clips, heard, model="echo", adapter=None, normaliser="exact").spoken.wer > 0
