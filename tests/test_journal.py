"""What was done can be undone and done again; what was changed since is never overwritten; a kill leaves no half."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sounds import recording

from studio.audio import read
from studio.data.manifest import Dataset
from studio.data.store import journal, snapshot
from studio.errors import ConflictError, DataError, DiskError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return filled(tmp_path / "voice", 4)


def filled(folder: Path, clips: int) -> Dataset:
    dataset = Dataset.create(folder)
    for seed in range(clips):
        dataset.add(recording(seed, seconds=0.15), text=f"sentence {seed}")
    return dataset


def ids(dataset: Dataset) -> list[str]:
    return [clip.id for clip in dataset.utterances()]


def state(dataset: Dataset) -> tuple[bytes, set[str], set[str]]:
    """All that a person would miss: the manifest, the sounds in use, and what is in the trash."""
    sounds = {path.name for path in (dataset.folder / "clips").iterdir()}
    return dataset.manifest.read_bytes(), sounds, {clip.id for clip in dataset.trashed()}


# ---- one action, undone and done again ----

ACTIONS: dict[str, Callable[[Dataset], object]] = {
    "label": lambda d: d.edit(ids(d)[1], text="something else"),
    "bulk": lambda d: d.change({id: {"speaker": "anna"} for id in ids(d)}, "Speaker"),
    "split": lambda d: d.assign(dict.fromkeys(ids(d), "validation")),
    "trash": lambda d: d.trash(ids(d)[1:3]),
    "first": lambda d: d.trash(ids(d)[:1]),
    "trim": lambda d: d.replace_audio(ids(d)[0], read(recording(99, seconds=0.12)), "Trimmed"),
    "import": lambda d: imported(d, 3),
}


def imported(dataset: Dataset, clips: int, first: int = 1000) -> None:
    with dataset.intake("Clips from a folder") as intake:
        for seed in range(first, first + clips):
            intake.add(recording(seed, seconds=0.15), text=f"imported {seed}")


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_is_undone_and_done_again_after_a_restart(dataset: Dataset, name: str) -> None:
    before = dataset.manifest.read_bytes()
    ACTIONS[name](dataset)
    after = dataset.utterances()
    snapshot._kept.clear()
    journal._kept.clear()
    again = Dataset.open(dataset.folder)
    assert again.history()[0].undone is False
    undone = again.undo()
    assert undone is not None
    assert undone.undone
    assert again.manifest.read_bytes() == before
    assert again.problems() == []
    assert again.history()[0].undone
    assert again.redo() is not None
    assert again.utterances() == after
    assert again.problems() == []
    assert again.redo() is None
    again.undo()
    assert again.manifest.read_bytes() == before


def test_a_replaced_recording_stays_and_its_name_is_never_used_again(dataset: Dataset) -> None:
    clip = dataset.utterances()[0]
    samples = dataset.clip_path(clip).read_bytes()
    new = dataset.replace_audio(clip.id, read(recording(99, seconds=0.12)), "Trimmed")
    assert new.audio_filepath != clip.audio_filepath
    assert new.duration == pytest.approx(0.12)
    assert (dataset.folder / "originals" / clip.audio_filepath).read_bytes() == samples
    dataset.undo()
    assert dataset.clip_path(dataset.get(clip.id)).read_bytes() == samples


def test_the_history_says_what_was_done_the_latest_first(dataset: Dataset) -> None:
    first, *others = ids(dataset)
    dataset.edit(first, text="what was said")
    dataset.trash(others)
    assert [(act.what, act.clips) for act in dataset.history()] == [
        ("3 clips deleted", 3),
        ("“sentence 0” changed to “what was said”", 1),
    ]
    assert len(dataset.history(1)) == 1


def test_what_changes_nothing_is_no_action(dataset: Dataset) -> None:
    clip = dataset.utterances()[0]
    dataset.edit(clip.id, text=clip.text)
    dataset.change({clip.id: {"quality": {"version": 0}}})
    assert dataset.history() == []
    assert dataset.undo() is None


def test_undo_refuses_what_was_changed_since_and_names_the_clip(dataset: Dataset) -> None:
    id = ids(dataset)[0]
    dataset.edit(id, text="first label")
    earlier = dataset.history()[0]
    dataset.edit(id, text="second label")
    before = state(dataset)
    with pytest.raises(
        ConflictError, match="“second label” was changed since: its label is now “second label”"
    ) as told:
        dataset.undo(earlier.id)
    assert told.value.clip is not None
    assert told.value.clip["id"] == id
    assert state(dataset) == before
    dataset.edit(id, speaker="anna")
    assert dataset.undo(dataset.history()[1].id) is not None  # another field of the same clip is no conflict
    assert dataset.get(id).text == "first label"
    dataset.trash([id])
    with pytest.raises(ConflictError, match="“first label” is in the trash now"):
        dataset.undo(earlier.id)


def test_an_action_is_undone_once(dataset: Dataset) -> None:
    dataset.edit(ids(dataset)[0], text="other")
    action = dataset.history()[0]
    dataset.undo(action.id)
    with pytest.raises(ConflictError, match="was undone already"):
        dataset.undo(action.id)
    with pytest.raises(DataError, match="too long ago"):
        dataset.undo("no such action")


def test_something_new_ends_what_could_be_done_again(dataset: Dataset) -> None:
    first, second, *_ = ids(dataset)
    dataset.edit(first, text="other")
    dataset.undo()
    dataset.edit(second, text="another")
    assert dataset.redo() is None


def test_two_pages_that_edit_one_clip_the_second_is_told_and_nothing_is_lost(dataset: Dataset) -> None:
    clip = dataset.utterances()[0]
    dataset.edit(clip.id, {"text": clip.text}, text="the first page's")
    with pytest.raises(ConflictError, match="was changed meanwhile") as told:
        dataset.edit(clip.id, {"text": clip.text}, text="the second page's")
    assert told.value.clip is not None
    assert told.value.clip["text"] == "the first page's"
    assert not {"audio_filepath", "audio_sha256"} & told.value.clip.keys()
    assert dataset.get(clip.id).text == "the first page's"
    same = dataset.edit(clip.id, {"text": clip.text}, text="the first page's")  # its first answer got lost
    assert same.text == "the first page's"


def test_a_bulk_change_happens_whole_or_not_at_all(dataset: Dataset) -> None:
    before = state(dataset)
    changes = {id: {"text": f"new {id}"} for id in ids(dataset)}
    with pytest.raises(ConflictError):
        dataset.change(changes, "New labels", was={ids(dataset)[-1]: {"text": "not this"}})
    with pytest.raises(DataError, match="no clip “nobody”"):
        dataset.change({**changes, "nobody": {"text": "x"}})
    assert state(dataset) == before
    assert dataset.history() == []


def test_labels_changed_to_one_sentence_stand_on_one_side(dataset: Dataset) -> None:
    dataset.assign(dict(zip(ids(dataset), ("train", "test", "validation", "train"), strict=True)))
    dataset.change({id: {"text": "all the same"} for id in ids(dataset)})
    assert len({clip.split for clip in dataset.utterances()}) == 1


# ---- the file ----


def test_the_journal_forgets_the_oldest_beyond_its_bound(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 4000)
    id = ids(dataset)[0]
    sizes = []
    for number in range(60):
        dataset.edit(id, text=f"label {number}")
        sizes.append(dataset.journal.path.stat().st_size)
    assert max(sizes) <= 4000
    kept = len(dataset.history(1000))
    assert 8 < kept < 60
    while dataset.undo():
        kept -= 1
    assert kept == 0
    assert dataset.get(id).text.startswith("label ")


def test_a_torn_or_foreign_line_of_the_journal_is_passed_over(dataset: Dataset) -> None:
    dataset.edit(ids(dataset)[0], text="first")
    with dataset.journal.path.open("ab") as stream:
        stream.write(b'not ours\n{"undo": "nothing"}\n[]\n{"do": 1}\n{"do": "half')
    assert [act.what for act in dataset.history()] == ["“sentence 0” changed to “first”"]
    dataset.edit(ids(dataset)[1], text="second")
    assert len(dataset.history()) == 2
    dataset.undo()
    dataset.undo()
    assert [clip.text for clip in dataset.utterances()] == [f"sentence {number}" for number in range(4)]


@settings(max_examples=40)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_content_of_a_journal_is_an_error(content: bytes) -> None:
    log = journal.Log.parse(content)
    assert len(log.sizes) == content.count(b"\n")


def test_a_disk_that_refuses_leaves_no_action_behind(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(dataset)

    def full(*_: object) -> None:
        raise DiskError("The disk is full.")

    monkeypatch.setattr(snapshot, "write_atomically", full)
    for name in ("label", "bulk", "trash", "trim", "import"):
        with pytest.raises(DiskError):
            ACTIONS[name](dataset)
    monkeypatch.undo()
    assert state(dataset) == before
    assert dataset.history() == []
    assert dataset.problems() == []


# ---- any sequence, undone ----

SEQUENCES = st.lists(
    st.tuples(st.sampled_from(["label", "bulk", "split", "trash", "restore", "undo"]), st.integers(0, 99)), max_size=12
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(steps=SEQUENCES)
def test_whatever_was_done_undoing_all_gives_back_the_first_manifest(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    dataset = filled(tmp_path_factory.mktemp("any"), 4)
    first = state(dataset)
    for name, number in steps:
        perform(dataset, name, number)
        assert not [said for said in dataset.problems() if "Put its clips into one split" not in said]
    while dataset.undo():
        pass
    assert state(dataset) == first
    assert dataset.problems() == []


def perform(dataset: Dataset, name: str, number: int) -> None:
    clips, gone = ids(dataset), [clip.id for clip in dataset.trashed()]
    some = [id for place, id in enumerate(clips) if number >> place & 1]
    if name == "label" and clips:
        dataset.edit(clips[number % len(clips)], text=f"sentence {number}")
    elif name == "bulk" and some:
        dataset.change({id: {"speaker": f"{number % 3}", "prompt": f"prompt {number}"} for id in some})
    elif name == "split" and clips:
        dataset.assign(dict.fromkeys(some or clips, ("train", "validation", "unused")[number % 3]))
    elif name == "trash" and some:
        dataset.trash(some)
    elif name == "restore" and gone:
        dataset.restore(gone[: 1 + number % 2])
    elif name == "undo":
        dataset.undo() if number % 2 else dataset.redo()


def test_the_journal_holds_what_it_says(dataset: Dataset) -> None:
    dataset.edit(ids(dataset)[0], speaker='say ,"rows": twice')
    row = json.loads(dataset.journal.path.read_text())
    assert row["rows"] == {ids(dataset)[0]: [{"speaker": ""}, {"speaker": 'say ,"rows": twice'}]}
    dataset.change({ids(dataset)[1]: {"speaker": "x"}}, 'called ,"rows": {}')
    assert dataset.history()[0].what == 'called ,"rows": {}'
    dataset.undo()
    dataset.undo()
    assert {clip.speaker for clip in dataset.utterances()} == {""}


# ---- kill -9 ----

KILLED: dict[str, Callable[[Dataset], object]] = {
    **ACTIONS,
    "undo": lambda d: d.undo(),
    "undo trash": lambda d: d.undo(d.history()[2].id),
    "undo import": lambda d: d.undo(d.history()[3].id),
    "redo": lambda d: d.redo(),
    "restore": lambda d: d.restore([d.trashed()[0].id]),
}
EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "os.rmdir", "os.listdir"})


def run_in_child(folder: Path, act: Callable[[Dataset], object], at: int) -> int:
    """`act` in a child that is killed by SIGKILL at its `at`-th touch of the disk (0: never); how many it made."""
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        return at if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
    touched = 0

    def touch(event: str, _: object = None) -> None:
        nonlocal touched
        if event in EVENTS:
            touched += 1
            if touched == at:
                os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = lambda handle: touch("open")  # what was written survives a kill without waiting for the disk
    sys.addaudithook(touch)
    code = 255
    try:
        act(Dataset(folder))
        code = touched
    finally:
        os._exit(code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes can fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("kills", [8, pytest.param(600, marks=pytest.mark.thorough)])
def test_kills_at_random_moments_leave_the_dataset_as_before_or_after(
    kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    rng = random.Random(7)
    template = filled(tmp_path / "template", 5)
    imported(template, 2, first=2000)
    template.trash(ids(template)[2:4])
    template.replace_audio(ids(template)[1], read(recording(98, seconds=0.12)), "Trimmed")
    template.edit(ids(template)[0], text="there is something to redo")
    template.undo()
    before = outcome(template)
    moments, after = {}, {}
    for name, act in KILLED.items():
        copy = copied(template, tmp_path / name)
        moments[name] = run_in_child(copy.folder, act, 0)
        after[name] = outcome(copy)
        assert moments[name] < 255, name
        assert after[name] != before
    seen: Counter[str] = Counter()
    for number in range(kills):
        name = rng.choice(list(KILLED))
        at = rng.randint(1, moments[name])
        copy = copied(template, tmp_path / f"{number}")
        run_in_child(copy.folder, KILLED[name], at)
        assert outcome(copy)[0] in (before[0], after[name][0]), (name, at)  # for whoever only reads
        copy.change({ids(copy)[-1]: {"quality": {"kills": number}}})  # any write puts things in order
        found = outcome(copy)
        seen["before" if found == before else "after" if found == after[name] else f"{name} at {at}: {found}"] += 1
        assert copy.problems() == [], (name, at)
        shutil.rmtree(copy.folder)
    assert set(seen) == {"before", "after"}, seen
    assert min(seen.values()) >= kills // 10


def copied(dataset: Dataset, folder: Path) -> Dataset:
    shutil.copytree(dataset.folder, folder)
    return Dataset(folder)


Outcome = tuple[list[object], int, list[str], list[tuple[str, bool]]]


def outcome(dataset: Dataset) -> Outcome:
    """What a person has: the clips, their files, the trash, and the history; without names that are new each time."""
    clips: list[object] = [(c.text, c.speaker, c.split, c.duration) for c in dataset.utterances()]
    files = sum(1 for path in (dataset.folder / "clips").iterdir())
    trash = sorted(clip.text for clip in dataset.trashed())
    return clips, files, trash, [(act.what, act.undone) for act in dataset.history()]
