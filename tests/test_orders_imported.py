"""The data of a phone line as its project has it: `train.jsonl`, `processed/*.wav`, `processed/*.json`, with digits."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import timed
import tiny_models
from timed import RATE
from tones import config
from verbs import call

from studio.audio import write_wav
from studio.data import word_times
from studio.data.manifest import Dataset
from studio.models import before_start, load


def project(folder: Path, orders: list[tuple[str, list[list[Any]]]]) -> Path:
    """A copy of such a project: each order's label, and its aligned words."""
    (folder / "processed").mkdir(parents=True)
    lines = []
    for place, (label, alignments) in enumerate(orders):
        end = alignments[-1][1][1] + 0.3
        spoken = timed.sound([(f"{place}", (start, stop)) for _, (start, stop), _ in alignments], place)
        write_wav(folder / "processed" / f"order_{place}.wav", spoken, RATE)
        record = {"alignments": alignments, "text": label} if label else {"alignments": alignments}
        (folder / "processed" / f"order_{place}.json").write_text(json.dumps(record))
        lines.append(json.dumps({"path": f"processed/order_{place}.wav", "duration": round(end, 2)}))
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def aligned(*words: str) -> list[list[Any]]:
    return [[word, [start, end], "SPEAKER_MAIN"] for word, (start, end) in timed.timed(words)]


def test_a_phone_lines_project_comes_in_with_its_times_and_numbers_become_words(tmp_path: Path) -> None:
    orders = [("", aligned("order", *f"{number}")) for number in range(1296803, 1296813)]
    source = project(tmp_path / "project", orders)
    assert call(tmp_path, "import", "orders", str(source / "train.jsonl")).code == 0
    clips = Dataset.open(tmp_path / "recordings" / "orders").utterances()
    assert len(clips) == 10
    assert clips[0].text.split() == ["order", *"1296803"]
    assert [word for word, _ in clips[0].words or ()] == ["order", *"1296803"]
    assert call(tmp_path, "label", "orders", "--numbers", "words", "--apply").code == 0
    clips = Dataset.open(tmp_path / "recordings" / "orders").utterances()
    assert clips[0].text == "order one two nine six eight zero three"


def test_a_number_with_dashes_loses_them_as_words(tmp_path: Path) -> None:
    orders = [(f"order 129-680{number}", aligned("order", *f"129680{number}")) for number in range(10)]
    call(tmp_path, "import", "orders", str(project(tmp_path / "project", orders) / "train.jsonl"))
    assert call(tmp_path, "label", "orders", "--numbers", "words", "--apply").code == 0
    clips = Dataset.open(tmp_path / "recordings" / "orders").utterances()
    assert clips[3].text == "order one two nine six eight zero three"
    assert word_times.timed(clips[3]) is None  # its words are still digits: they are to be timed again


def test_one_alignment_that_holds_seven_words_is_spread_over_its_time(tmp_path: Path) -> None:
    model = load(tiny_models.kyutai(tmp_path / "model"), "cpu")
    words = [("order", (0.1, 0.3)), ("one two nine six eight zero three", (0.4, 2.5))]
    clip = timed.Clip(timed.sound([("order", (0.1, 0.3)), ("1", (0.4, 2.5))]), "", "a", words)
    stream = model.family.prepare(model.model, model.processor, clip)["text"].tolist()
    places = [place for place, token in enumerate(stream) if token > 3]
    assert places[0] == 7
    assert [later - earlier for earlier, later in pairwise(places[1:])] == [3, 3, 3, 3, 5, 4]  # by their letters


def test_such_a_dataset_is_ready_for_a_run(tmp_path: Path) -> None:
    orders = [
        ("", aligned("order", *(timed.DIGIT_NAMES[int(digit)] for digit in f"12{number}"))) for number in range(10)
    ]
    call(tmp_path, "import", "orders", str(project(tmp_path / "project", orders) / "train.jsonl"))
    model = tiny_models.kyutai(tmp_path / "model")
    clips = Dataset.open(tmp_path / "recordings" / "orders").utterances()
    assert all(word_times.timed(clip) for clip in clips)
    assert before_start.check(config(dataset="orders", model=str(model), targets="full"), clips) == []
