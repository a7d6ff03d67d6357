"""One clip, one verdict: whoever asks judges it against the same other clips."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_table import written

from studio.data.manifest import Dataset
from studio.data.quality import check
from studio.data.view.table import Table
from studio.ui.clips import shown
from studio.ui.quality import card_for

LONG = "sentence with many more words than anybody says in so short a time"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """A speaker who was slow for a long time, then quick, and whose last sentence is quicker still."""
    slow = [{"text": "a slow sentence", "duration": 3.0}] * 600
    quick = [{"text": "a sentence that is said quickly", "duration": 2.0}] * 300
    odd = [{"text": LONG, "duration": 1.8}, {"text": "said slowly", "duration": 9.0}]
    return written(tmp_path / "voice", [*slow, *quick, *odd])


def told_by_all(dataset: Dataset, id: str) -> list[set[str]]:
    """What each place that shows a verdict says about one clip."""
    clip, row = dataset.get(id), Table.of(dataset).get(id)
    doubtful = {one.id: {found.what for found in one.findings} for one in check.report(dataset).doubtful}
    card = card_for(dataset, clip)
    assert card is not None
    return [
        {found.what for found in row.findings},
        {found.what for found in card.findings},
        {found["what"] for found in shown(dataset, clip)["verdict"]},
        doubtful.get(id, set()),
    ]


def test_the_recorder_the_card_review_and_check_say_the_same_of_every_clip(dataset: Dataset) -> None:
    for id in ("00000", "00700", "00900", "00901"):
        first, *others = told_by_all(dataset, id)
        assert all(told == first for told in others), id
    assert told_by_all(dataset, "00900")[0]  # quicker than usual: by everybody's count


def test_they_still_do_after_labels_were_edited_one_by_one(dataset: Dataset) -> None:
    Table.of(dataset).find("quality = look")
    for number in range(640, 660):
        dataset.edit(f"{number:05}", text="short of it")
    for id in ("00000", "00650", "00700", "00900", "00901"):
        first, *others = told_by_all(dataset, id)
        assert all(told == first for told in others), id
    patched, fresh = Table.of(dataset), Table(dataset.look(), {}, (0, 0, 0))._fill(None)
    assert patched.ids("quality = look") == fresh.ids("quality = look")
