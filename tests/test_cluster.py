"""A run on a cluster: what is sent, what comes home, and what happens when machines are lost."""

from __future__ import annotations

import json
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_cluster import FakeCluster
from hypothesis import given
from hypothesis import strategies as st
from tones import adapter, config, folder_of, told, tones, train

from studio.cluster import address, follower, frames, package, ray_jobs
from studio.cluster import receiver as receiving
from studio.cluster.receiver import Receiver
from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.errors import ConfigError, DataError, JobError, UnreachableError
from studio.runs import events
from studio.runs.events import Event, Failed, Finished, Started, StepDone, Stopped, Warned
from studio.runs.folder import RunFolder
from studio.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(follower, "_PAUSE", 0.02)
    tones(tmp_path)
    return tmp_path


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    found = FakeCluster(tmp_path_factory.mktemp("cluster"))
    yield found
    found.close()


def there(
    workspace: Path, cluster: FakeCluster, settings: TrainConfig, when: Callable[[Event], object] = lambda _: None
) -> list[Event]:
    """The run “away” on `cluster`, events to its log as the verb does; `when` sees each as it happens."""
    folder, seen = folder_of(workspace, "away"), []
    with folder.events.open("a", encoding="utf-8") as log:
        for event in follower.run(settings, folder, Workspace(workspace), lambda: cluster, lambda line: None):
            events.write(log, event)
            seen.append(event)
            when(event)
    return seen


def once(wanted: Callable[[Event], bool], act: Callable[[], object]) -> Callable[[Event], object]:
    """Calls `act` at the first event that is `wanted`."""
    done: list[Event] = []

    def look(event: Event) -> None:
        if not done and wanted(event):
            done.append(event)
            act()

    return look


def is_step(number: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StepDone) and event.step >= number


@pytest.mark.thorough
def test_a_run_on_a_cluster_leaves_what_the_same_run_at_home_leaves(workspace: Path, cluster: FakeCluster) -> None:
    train(workspace, "home", config())
    seen = there(workspace, cluster, config())
    assert isinstance(seen[-1], Finished)
    assert adapter(workspace, "away") == adapter(workspace, "home")
    assert told(workspace, "away") == told(workspace, "home")
    names = {path.name for path in (workspace / "outputs" / "home").iterdir()}
    assert {path.name for path in (workspace / "outputs" / "away").iterdir()} == names | {"cluster.json"}
    mine, theirs = (json.loads((workspace / "outputs" / run / "config.json").read_text()) for run in ("home", "away"))
    assert {key for key in mine if mine[key] != theirs[key]} <= {"run", "created_at", "started_by"}


LONG: dict[str, Any] = {"max_steps": 200, "eval_every": 20, "patience": 100}


@pytest.mark.thorough
def test_a_run_whose_machine_is_lost_goes_on_elsewhere_and_ends_the_same(workspace: Path, cluster: FakeCluster) -> None:
    train(workspace, "home", config(**LONG))
    seen = there(workspace, cluster, config(**LONG), once(is_step(110), cluster.kill))
    assert len(cluster.jobs) == 2
    first, second = [event.resumed_from for event in seen if isinstance(event, Started)]
    assert first == 0
    assert second > 0
    assert second % 20 == 0
    assert any("10.0.0.7 was lost. The run goes on elsewhere" in text for text in warnings(seen))
    assert adapter(workspace, "away") == adapter(workspace, "home")
    assert told(workspace, "away") == told(workspace, "home")


def warnings(seen: list[Event]) -> list[str]:
    return [event.message for event in seen if isinstance(event, Warned)]


@pytest.mark.thorough
def test_a_run_that_loses_every_machine_fails_with_a_sentence(
    workspace: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "RESTARTS", 1)

    def kill(event: Event) -> None:
        if isinstance(event, Started):
            cluster.kill()

    with pytest.raises(JobError, match=r"was lost 2 times.*then resume") as failure:
        there(workspace, cluster, config(**LONG), kill)
    assert len(cluster.jobs) == 2
    last = list(events.read(folder_of(workspace, "away").events))[-1][1]
    assert isinstance(last, Failed)
    assert last.message == failure.value.what


@pytest.mark.thorough
def test_discard_keeps_nothing_of_what_was_learnt(workspace: Path, cluster: FakeCluster) -> None:
    folder = folder_of(workspace, "away")
    seen = there(workspace, cluster, config(**LONG), once(is_step(30), lambda: folder.request_stop("discard")))
    assert isinstance(seen[-1], Stopped)
    assert seen[-1].reason == "discard"
    assert not folder.checkpoints.exists()
    assert not folder.adapter.exists()
    assert folder.baseline.exists()


@pytest.mark.thorough
def test_who_followed_may_go_and_come_back_and_the_job_is_the_same(workspace: Path, cluster: FakeCluster) -> None:
    train(workspace, "home", config(**LONG))
    folder = folder_of(workspace, "away")
    with folder.events.open("a", encoding="utf-8") as log:
        for event in follower.run(config(**LONG), folder, Workspace(workspace), lambda: cluster, lambda line: None):
            events.write(log, event)
            if is_step(50)(event):
                break  # killed
    there(workspace, cluster, config(**LONG))
    assert len(cluster.jobs) == 1
    assert told(workspace, "away") == told(workspace, "home")
    assert adapter(workspace, "away") == adapter(workspace, "home")


@pytest.mark.thorough
def test_stop_and_save_ends_in_a_whole_run_even_if_the_cluster_is_silent_for_a_while(
    workspace: Path, cluster: FakeCluster
) -> None:
    folder = folder_of(workspace, "away")

    def fall_silent() -> None:
        cluster.silent = 3
        folder.request_stop("save")  # which cannot be passed on yet

    seen = there(workspace, cluster, config(**LONG), once(is_step(30), fall_silent))
    assert [event.reason for event in seen if isinstance(event, Stopped)] == ["stop and save"]
    assert isinstance(seen[-1], Finished)
    assert seen[-1].step < LONG["max_steps"]
    steps = [event.step for event in seen if isinstance(event, StepDone)]
    assert steps == list(range(1, steps[-1] + 1))  # nothing was lost, nothing came twice
    assert folder.done.exists()
    assert folder.stop_request() is None


def test_a_cluster_that_stays_silent_fails_the_run_and_says_that_it_can_be_taken_up(
    workspace: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "PATIENCE", 0.1)
    cluster.silent = 1_000_000
    with pytest.raises(JobError, match="studio resume"):
        there(workspace, cluster, config())


def test_discard_is_done_at_home_even_while_the_cluster_is_silent(workspace: Path, cluster: FakeCluster) -> None:
    folder = folder_of(workspace, "away")
    folder.checkpoints.mkdir()
    cluster.silent = 1_000_000
    folder.request_stop("discard")
    seen = there(workspace, cluster, config())
    assert isinstance(seen[-1], Stopped)
    assert seen[-1].reason == "discard"
    assert not folder.checkpoints.exists()


@pytest.mark.thorough
def test_a_machine_without_a_requirement_says_which(
    workspace: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FakeCluster.submit

    def submit(self: FakeCluster, archive: Path, run: str, settings: TrainConfig) -> str:
        with zipfile.ZipFile(archive, "a") as packed:
            packed.writestr("peft/__init__.py", "raise ModuleNotFoundError(\"No module named 'peft'\")")
        return real(self, archive, run, settings)

    monkeypatch.setattr(FakeCluster, "submit", submit)
    with pytest.raises(JobError, match=r"lacks something.*No module named 'peft'.*requirements"):
        there(workspace, cluster, config())


@pytest.mark.thorough
def test_what_the_run_refuses_there_is_said_here(workspace: Path, cluster: FakeCluster) -> None:
    seen = there(workspace, cluster, config(targets="no such layer"))
    assert isinstance(seen[-1], Failed)
    assert "no such layer" in seen[-1].message


def test_only_the_clips_of_the_run_the_settings_and_the_source_are_sent(workspace: Path, tmp_path: Path) -> None:
    dataset = Dataset.open(workspace / "recordings" / "tones")
    dataset.assign({dataset.utterances()[0].id: "unused"})
    aside = dataset.utterances()[0]
    (dataset.folder / "prompts.txt").write_text("not sent")
    (workspace / ".env").write_text("TOKEN=secret")
    package.pack(config(), folder_of(workspace, "away"), Workspace(workspace), tmp_path / "run.zip")
    with zipfile.ZipFile(tmp_path / "run.zip") as packed:
        names = packed.namelist()
        manifest = packed.read("recordings/tones/manifest.jsonl").decode()
    assert {name.split("/")[0] for name in names} == {"job.json", "recordings", "studio"}
    assert sum(name.endswith(".wav") for name in names if name.startswith("recordings/")) == 19
    assert aside.id not in manifest
    assert not any(
        name.startswith(("studio/ui/", "studio/starter/model/", "studio/starter/unheard/")) for name in names
    )
    assert not any("__pycache__" in name or "prompts.txt" in name or ".env" in name for name in names)


def test_more_clips_than_a_cluster_takes_are_refused_with_both_figures(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "LARGEST", 100_000)
    with pytest.raises(DataError, match=r"come to \d+ MB, over the limit of 0 MB"):
        package.pack(config(), folder_of(workspace, "away"), Workspace(workspace), tmp_path / "run.zip")


def test_the_bundled_model_and_its_general_set_go_along_where_they_are_used() -> None:
    def names(model: str) -> set[str]:
        return {path.relative_to(package.SOURCE).as_posix() for path in package.source_files(config(model=model))}

    bundled = names("starter") - names("echo")
    assert {"starter/model/model.safetensors", "starter/general/manifest.jsonl"} <= bundled
    assert all(name.startswith(("starter/model/", "starter/general/")) for name in bundled)


@pytest.mark.slow
@pytest.mark.thorough
def test_a_replayed_dataset_goes_along(workspace: Path, cluster: FakeCluster) -> None:
    tones(workspace / "other")
    (workspace / "other" / "recordings" / "tones").rename(workspace / "recordings" / "known")
    train(workspace, "home", config(replay="known"))
    there(workspace, cluster, config(replay="known"))
    assert adapter(workspace, "away") == adapter(workspace, "home")
    assert json.loads((workspace / "outputs" / "away" / "config.json").read_text())["replay"] == "known"


# --- what comes home --------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> RunFolder:
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


def sent(folder: Path, files: dict[str, bytes], whole: str = "", keep: tuple[str, ...] = ()) -> list[frames.Frame]:
    """The frames that send `files`, and then perhaps say that the folder `whole` is."""
    lines: list[bytes] = []
    sender = frames.Sender(lines.append)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        if not whole:
            sender.file(folder, folder / name)
    if whole:
        sender.folder(folder, folder / whole, keep)
    return [frame for line in lines if (frame := frames.parse(line.decode("ascii")))]


@pytest.mark.thorough
@given(st.binary(max_size=3 * frames.PART), st.text(max_size=20))
def test_any_bytes_arrive_as_they_were_whatever_was_printed_before(content: bytes, noise: str) -> None:
    lines: list[bytes] = []
    sender = frames.Sender(lines.append)
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "home")
        folder.path.mkdir()
        (Path(place) / "report.md").write_bytes(content)
        sender.file(Path(place), Path(place) / "report.md")
        receiver = Receiver(folder, TrainConfig(dataset="d"))
        for line in lines:
            assert len(line) < 20_000
            frame = frames.parse(noise.replace("\n", " ").replace(frames.MARK, "") + line.decode("ascii"))
            assert frame is not None
            receiver.take(frame)
        assert folder.report.read_bytes() == content
        assert receiver.received == len(lines)


@pytest.mark.thorough
@given(st.text(max_size=200))
def test_no_line_that_a_process_prints_breaks_the_parser(line: str) -> None:
    assert frames.parse(line) is None
    assert frames.parse(frames.MARK + line) is None


def test_a_file_that_arrives_damaged_is_refused_and_not_written(home: RunFolder, tmp_path: Path) -> None:
    part, whole = sent(tmp_path / "there", {"report.md": b"WER 5 %"})
    receiver = Receiver(home, TrainConfig(dataset="d"))
    assert isinstance(part, frames.PartFrame)
    receiver.take(part.model_copy(update={"data": "V0VSIDEgJQ=="}))
    with pytest.raises(JobError, match=r"report\.md arrived damaged: its SHA-256"):
        receiver.take(whole)
    assert not home.report.exists()
    assert receiver.received == 0  # fetched again from here


def test_a_missing_line_is_noticed(home: RunFolder, tmp_path: Path) -> None:
    story = sent(tmp_path / "there", {"report.md": b"x" * 3 * frames.PART})
    receiver = Receiver(home, TrainConfig(dataset="d"))
    receiver.take(story[0])
    with pytest.raises(JobError, match="missing"):
        receiver.take(story[2])


def test_every_result_that_a_run_leaves_is_taken_home(home: RunFolder) -> None:
    names = {value.name for name in dir(home) if isinstance(value := getattr(home, name), Path)} - {home.name}
    local = {
        "job.json",
        "events.jsonl",
        "stdout.log",
        "cluster.json",
        "stop.request",
        "merged",
        "note.txt",
        "checkpoints",
    }
    wanted = {name for name in names - local if "." in name or name == "DONE"}
    assert {"heldout_tuned.json", "report.md"} <= wanted
    assert [name for name in sorted(wanted) if not receiving._FILES.fullmatch(name)] == []


@pytest.mark.parametrize(
    "name",
    [
        "../outside.json", "/etc/passwd", "job.json", "stop.request", "events.jsonl", "lora_adapter/../../x.json",
        "lora_adapter/adapter_model.bin", "processor/tokenizer.py", "checkpoints/x.json", "checkpoints/step-1/x.pkl",
        ".hidden/x.json", "processor/deeper/x.json",
    ],
)  # fmt: skip
def test_a_cluster_cannot_write_anything_that_a_run_does_not_leave(home: RunFolder, name: str) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    before = sorted(home.path.parent.rglob("*"))
    with pytest.raises(JobError, match="not part of a run"):
        Receiver(home, TrainConfig(dataset="d")).take(frames.FileFrame(number=1, path=name, size=0, sha256=empty))
    assert sorted(home.path.parent.rglob("*")) == before


def test_a_checkpoint_appears_whole_and_takes_the_place_of_those_no_longer_needed(
    home: RunFolder, tmp_path: Path
) -> None:
    (home.checkpoints / "step-000001").mkdir(parents=True)
    names = ("step-000004", "step-000008")
    files = {f"checkpoints/step-000008/{name}": b"x" for name in ("state.json", "adapter.safetensors")}
    story = sent(tmp_path / "there", files, "checkpoints/step-000008", names)
    receiver = Receiver(home, TrainConfig(dataset="d"))
    for frame in story[:-1]:
        receiver.take(frame)
        assert [path.name for path in home.checkpoints.iterdir()] == ["step-000001"]
    receiver.take(story[-1])
    assert [path.name for path in home.checkpoints.iterdir()] == ["step-000008"]
    assert receiver.received == len(story)


# --- where it may go --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", ["http://head:8265", "https://ray.example.org", "ray://10.0.0.4:10001", "http://[::1]:8265/"]
)
def test_addresses_of_clusters_are_taken(given: str) -> None:
    assert address.checked(given) == given.rstrip("/")


@pytest.mark.parametrize(
    "given",
    [
        "", "head:8265", "file:///etc/passwd", "ftp://head", "http://", "http://me:secret@head:8265", "auto",
        "http://head:8265?token=1", "http://head:port", "http://he ad:8265", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_address_or_holds_a_secret_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=r"^on: "):
        address.checked(given)


def test_a_cluster_that_never_lets_its_client_in_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_jobs, "_CONNECTING", 0.05)
    for_ever = threading.Event().wait
    with (
        pytest.raises(UnreachableError, match=r"No Ray cluster answers at ray://head:10001: no answer within"),
        ray_jobs._sentences("ray://head:10001"),
    ):
        ray_jobs._in_time(for_ever)
