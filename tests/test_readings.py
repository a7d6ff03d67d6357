"""An evaluation that is stopped, however, goes on where it was, and says what an undisturbed one says."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from finished import clips_of
from tones import config, folder_of, in_child, logged, tones, train, wav

from studio.data.manifest import Dataset
from studio.evaluation import hypotheses
from studio.evaluation.cache import CachedBatch, HypothesisCache
from studio.evaluation.evaluate import Comparison, Evaluation, compare, evaluate, save
from studio.models import Hypothesis, Recogniser, load
from studio.models.adapters import adapter_hash
from studio.models.echo import Echo
from studio.runs.events import Evaluated, Event, Finished, StepDone
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

SETTINGS = config(max_steps=4)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def small_batches() -> None:
    from studio.models import limits as module

    module.BATCH_SECONDS = 1.0  # two tones


def evaluate_until(root: Path, batches: int, seconds: float = 0.0) -> None:
    """Evaluate the run, and be killed in the middle of that many batches (0: never), or after so many seconds."""
    small_batches()
    read, calls = Echo.transcribe_batch, 0

    def counted(self: Echo, *arguments: Any) -> list[Hypothesis]:
        nonlocal calls
        calls += 1
        if calls == batches:
            killed()
        return read(self, *arguments)

    Echo.transcribe_batch = counted  # type: ignore[method-assign]
    if seconds:
        threading.Timer(seconds, killed).start()
    save(compare(Workspace(root), "taught"), root / "out.json")


def train_until_batch(root: Path, run: str, phase: str, batches: int) -> None:
    """Train, and be killed in that phase, at that many batches."""
    small_batches()
    seen = 0
    for event in logged(root, run, SETTINGS, True):
        seen += getattr(event, "name", "") == phase
        if seen == batches:
            killed()


def finish(root: Path, run: str) -> None:
    small_batches()
    assert isinstance(list(logged(root, run, SETTINGS, True))[-1], Finished)


def scores(events: list[Event]) -> list[tuple[int, str, float, float | None]]:
    return [(event.step, event.split, event.wer, event.loss) for event in events if isinstance(event, Evaluated)]


def without_times(path: Path) -> Any:
    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: clean(one) for name, one in value.items() if name != "latency"}
        return [clean(one) for one in value] if isinstance(value, list) else value

    return clean(json.loads(path.read_text()))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    tones(root, clips=40)
    assert in_child(finish, root, "taught") == 0
    assert in_child(evaluate_until, root, 0) == 0
    (root / "out.json").rename(root / "whole.json")
    return root


@pytest.fixture
def taught(root: Path) -> Recogniser:
    return load("echo", adapter=folder_of(root, "taught").adapter)


def readings(root: Path) -> list[Path]:
    return sorted(root.glob(".cache/readings/*/*.jsonl"))


@pytest.mark.thorough
def test_an_evaluation_killed_in_a_batch_goes_on_there_and_ends_with_the_same_result(root: Path) -> None:
    assert in_child(evaluate_until, root, 3) == -signal.SIGKILL
    (first,) = readings(root)
    assert len(first.read_text().splitlines()) == 2  # the batch that it died in is not there
    assert not (root / "out.json").exists()
    assert in_child(evaluate_until, root, 6) == -signal.SIGKILL  # two batches, the sounds of the alarms, two, …
    assert len(readings(root)) == 2
    assert in_child(evaluate_until, root, 0) == 0
    assert readings(root) == []
    assert without_times(root / "out.json") == without_times(root / "whole.json")
    (root / "out.json").unlink()


@pytest.mark.thorough
@pytest.mark.parametrize(("seed", "kills"), [(1, 2), (2, 30)])
def test_an_evaluation_killed_at_random_moments_ends_with_the_same_result(root: Path, seed: int, kills: int) -> None:
    numbers = random.Random(seed)
    for _ in range(kills):
        code = in_child(evaluate_until, root, 0, numbers.uniform(0.05, 1.5))
        assert code in (0, -signal.SIGKILL)
        if code == 0:  # it was quicker: the result must be whole
            assert without_times(root / "out.json") == without_times(root / "whole.json")
    assert in_child(evaluate_until, root, 0) == 0
    assert without_times(root / "out.json") == without_times(root / "whole.json")
    (root / "out.json").unlink()


@pytest.mark.thorough
@pytest.mark.parametrize("phase", ["baseline", "tuned"])
def test_a_run_killed_while_it_measures_keeps_what_was_read_and_ends_with_the_same_figures(
    root: Path, phase: str
) -> None:
    run = f"killed-{phase}"
    shutil.rmtree(root / ".cache" / "readings", ignore_errors=True)  # what another run has read would serve this one
    assert in_child(train_until_batch, root, run, phase, 3) == -signal.SIGKILL
    folder = folder_of(root, run)
    assert not (folder.baseline if phase == "baseline" else folder.tuned).exists()
    kept = root / ".cache" / "readings" if phase == "baseline" else folder.readings
    assert min(len(path.read_text().splitlines()) for path in kept.glob("*.jsonl")) == 2
    assert in_child(finish, root, run) == 0
    assert not folder.readings.exists()
    whole = folder_of(root, "taught")
    for one, other in ((folder.baseline, whole.baseline), (folder.tuned, whole.tuned)):
        assert {**without_times(one), "adapter": ""} == {**without_times(other), "adapter": ""}


def test_what_the_base_model_wrote_for_a_run_serves_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tones(tmp_path)
    first = train(tmp_path, "first", SETTINGS)
    read: list[int] = []
    written = hypotheses._written
    monkeypatch.setattr(hypotheses, "_written", lambda *given: read.append(len(given[2])) or written(*given))
    second = logged(tmp_path, "second", SETTINGS, False)
    untrained = list(itertools.takewhile(lambda event: not isinstance(event, StepDone), second))
    assert not read
    trained = list(second)
    assert read  # with the adapter nothing was known
    assert scores([*untrained, *trained]) == scores(first)
    one, other = (folder_of(tmp_path, run) for run in ("first", "second"))
    assert without_times(one.baseline) == without_times(other.baseline)


def test_what_is_kept_is_used_and_belongs_to_this_adapter_and_these_labels_alone(
    taught: Recogniser, root: Path, tmp_path: Path
) -> None:
    dataset = Dataset.open(root / "recordings" / "tones")
    first = evaluate(taught, dataset, kept=tmp_path)
    (path,) = tmp_path.iterdir()
    assert sum(len(CachedBatch.model_validate_json(line).heard) for line in path.read_text().splitlines()) == 8
    again = evaluate(taught, dataset, kept=tmp_path)
    assert again == first  # the times too: nothing was read anew
    path.write_text(path.read_text().replace("order", "border"))
    assert all(row.hypothesis.startswith("border") for row in evaluate(taught, dataset, kept=tmp_path).rows)
    base = evaluate(taught, dataset, with_adapter=False, kept=tmp_path)
    assert not any(row.hypothesis.startswith("border") for row in base.rows)
    some = [clip for clip in dataset.utterances() if clip.split == "test"]
    relabelled = [some[0].model_copy(update={"text": "other"}), *some[1:]]
    assert evaluate(taught, dataset, clips=relabelled, kept=tmp_path).rows[1].hypothesis.startswith("order")
    assert adapter_hash(taught)
    assert adapter_hash(load("echo")) == ""


def test_texts_are_kept_as_written_whichever_way_they_are_compared(
    taught: Recogniser, root: Path, tmp_path: Path
) -> None:
    dataset = Dataset.open(root / "recordings" / "tones")
    exact = evaluate(taught, dataset, with_adapter=False, kept=tmp_path)
    spoken = evaluate(taught, dataset, with_adapter=False, normaliser="spoken", kept=tmp_path)
    assert (exact.score.wer, spoken.score.wer) == (0.8, 0.0)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_torn_last_line_costs_its_batch_and_the_next_line_stands_by_itself(tmp_path: Path) -> None:
    path, clips = tmp_path / "key.jsonl", clips_of(["one", "two", "three"])
    batches = [CachedBatch(clips=[clip.id], heard={clip.id: Hypothesis(text=clip.text, seconds=1, latency=0.1)})
               for clip in clips]  # fmt: skip
    for batch in batches[:2]:
        HypothesisCache(path).keep(batch)
    path.write_bytes(path.read_bytes()[:-20])
    again = HypothesisCache(path)
    assert (again.find(clips[:1]), again.find(clips[1:2])) == (batches[0], None)
    again.keep(batches[2])
    assert HypothesisCache(path).find(clips[2:]) == batches[2]
    assert again.find(clips[:2]) is None  # read together they may differ in the last digit


def test_without_room_on_the_disk_an_evaluation_goes_through_all_the_same(
    taught: Recogniser, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    dataset = Dataset.open(root / "recordings" / "tones")
    assert evaluate(taught, dataset, kept=tmp_path / "file" / "below").score.clips == 8


def test_confidence_by_word_is_written_down_with_each_clip(root: Path) -> None:
    tuned = Evaluation.read(RunFolder(root / "outputs" / "taught").tuned)
    assert tuned is not None
    for row in tuned.rows:
        assert row.words is not None
        assert [word for word, _ in row.words] == row.hypothesis.split()
        assert all(0 <= chance <= 1 for _, chance in row.words)


def test_five_seconds_of_silence_are_part_of_every_evaluation(root: Path, tmp_path: Path) -> None:
    both = Comparison.model_validate_json((root / "whole.json").read_bytes())
    folder = folder_of(root, "taught")
    found = [both.before, both.after, Evaluation.read(folder.baseline), Evaluation.read(folder.tuned)]
    for evaluation in found:
        assert evaluation is not None
        assert [(probe.sound, probe.seconds) for probe in evaluation.probes] == [("silence", 5.0), ("noise", 5.0)]


def test_clips_in_two_languages_are_read_scored_and_compared_alike(root: Path, tmp_path: Path) -> None:
    dataset = tones(tmp_path, clips=10)
    dataset.add(wav("straße 12"), text="Straße zwölf", split="test")
    dataset.add(wav("привет"), text="Привет, мир", split="test")
    dataset.add(wav("ni hao"), text="你好 世界", split="test")
    for normaliser in ("exact", "plain", "spoken", "whisper"):
        found = evaluate(load("echo"), dataset, normaliser=normaliser)
        assert found.score.clips == 5
        assert found.score.words >= 5
        assert found.score.wer > 0
    train(tmp_path, "mixed", config(max_steps=2))
    assert folder_of(tmp_path, "mixed").done.is_file()
