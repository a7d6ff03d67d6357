"""Exit code 0 means that the work is done; anything else comes with a sentence, and never with a traceback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from eventually import until
from fake_trainer import SCRIPT
from tones import tones, wav
from verbs import call

from studio.cli import app
from studio.runs import control, listing
from studio.runs.folder import RunFolder
from studio.runs.processes import Job
from studio.workspace import Workspace

RUN = "tones-0001"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of tones, folders of files that cannot be imported, and a run that failed."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root, 10)
    (root / "bad").mkdir()
    for name in ("one", "two"):
        (root / "bad" / f"{name}.wav").write_bytes(b"RIFF no sound at all")
        (root / "bad" / f"{name}.txt").write_text("order one")
    (root / "good").mkdir()
    (root / "good" / "one.wav").write_bytes(wav("order 1"))
    (root / "good" / "one.txt").write_text("order one")
    (root / "none.txt").write_text("\n")
    (root / "others.txt").write_text("no-such-clip\n")
    (root / "blank.txt").write_text("\n \n")
    (root / "model.gguf").write_bytes(b"PK and more")
    (root / "latin.txt").write_bytes("café".encode("latin-1"))
    (root / "nested.json").write_text("[" * 200_000)
    (root / "list.json").write_text("[1]")
    (root / "a-file").write_text("")
    (root / "file-inside").mkdir()
    for name in ("recordings", "outputs"):
        (root / "file-inside" / name).write_text("")
    shutil.copytree(root / "recordings" / "tones", root / "recordings" / "silent")
    shutil.rmtree(root / "recordings" / "silent" / "clips")
    begun = RunFolder(Workspace(root).run("failed"))
    begun.path.mkdir(parents=True)
    Job(command=["false"], folder="/", ended_at=1.0, exit_code=1).write(begun)
    return root


DONE: list[list[str]] = [
    ["runs"], ["queue"], ["label", "tones"], ["label", "tones", "--validate", "words"],
    ["split", "tones", "--dry-run"], ["prompts", "tones", "--dry-run"], ["import", "new", "good", "--dry-run"],
    ["import", "new", "good"], ["import", "new", "good"],
    ["label", "tones", "--style", "case"], ["label", "tones", "--numbers", "words", "--rule", "money=words"],
    ["--help"], ["train", "--help"], ["dataset"], ["dataset", "tones"],
    ["typos", "make", "prompts"], ["typos", "make", "tones", "--keyboard", "phone"], ["mend", "blank.txt"],
]  # fmt: skip
UNDONE: list[tuple[list[str], str]] = [
    (["check", "tones"], "10 to record again"),  # to a measure of speech tones are none
    (["train", "silent", "--model", "echo"], "0 clips are too few"),
    (["train", "silent", "--model", "echo", "--queue"], "0 clips are too few"),
    (["import", "tones", "bad"], "2"),
    (["import", "tones", "bad", "--dry-run"], "2"),
    (["import", "tones", "no-such-folder"], "no-such-folder"),
    (["import", "tones", "good", "--map", "text=sentence"], "no columns to map"),
    (["import", "tones", "good", "--map", "=text"], "FIELD=COLUMN"),
    (["export-data", "tones", "out", "--format", "no-such-format"], "no-such-format"),
    (["export-data", "tones", "out", "--format", "pairs", "--clips", "none.txt"], "lists no clip"),
    (["export-data", "tones", "out", "--format", "pairs", "--clips", "others.txt"], "no-such-clip"),
    (["export-data", "tones", "out", "--format", "pairs", "--clips", "no-such-file"], "There is no file no-such-file"),
    (["import", "tones", "good", "--map", "text=a", "--map", "text=b"], "--map text=b contradicts --map text=a"),
    (["export-data", "tones", "out", "--format", "pairs", "--query", "split = unused"], "No clip matches"),
    (["label", "tones", "--clips", "none.txt", "--numbers", "digits"], "lists no clip"),
    (["label", "tones", "--clips", "others.txt", "--numbers", "digits"], "no-such-clip"),
    (["label", "tones", "--query", "split = unused", "--numbers", "digits"], "No clip matches"),
    (["label", "tones", "--style", "no-such-kind"], "no-such-kind"),
    (["label", "tones", "--style", "tokenizer"], "--model"),
    (["label", "tones", "--rule", "money=words"], "--numbers"),
    (["label", "tones", "--rule", "money"], "--numbers"),
    (["label", "tones", "--numbers", "words", "--rule", "money=words", "--rule", "money=leave"], "contradicts"),
    (["label", "tones", "--clips", "no-such-file", "--numbers", "digits"], "There is no file no-such-file"),
    (["transcribe", "good/one.wav", "--model", "starter", "--language", "klingon"], "“klingon” is not the code"),
    (["train", "tones", "--model", "starter", "--language", "klingon"], "“klingon” is not the code"),
    (["train", "tones", "--model", "starter", "--language", "de"], "transcribes one language"),
    (["--workspace", "file-inside", "dataset"], "recordings is a file, where the studio needs a folder"),
    (["--workspace", "file-inside", "import", "new", "good"], "recordings is a file, where the studio needs a folder"),
    (["--workspace", "file-inside", "runs"], "outputs is a file, where the studio needs a folder"),
    (["label", "tones", "--numbers", "words", "--rule", "money"], "money=words"),
    (["label", "tones", "--numbers", "words", "--rule", "cash=words"], "The rules are"),
    (["label", "tones", "--validate", "digits"], "hold number words"),
    (["label", "tones", "--use-heard"], "No model has transcribed"),
    (["label", "tones", "--prelabel", "no-such-model"], "no-such-model"),
    (["label", "tones", "--undo", "--style", "case"], "one way at a time"),
    (["cut-offs", "no-such-run"], "no-such-run"),
    (["tune-pauses", "no-such-run"], "no-such-run"),
    (["align", "no-such-dataset"], "no-such-dataset"),
    (["align", "tones", "--model", "no-such-model"], "no-such-model"),
    (["align", "tones", "--model", "echo"], "does not show when words are said"),
    (["align", "tones", "--model", "echo", "--rough"], "without a model"),
    (["align", "tones", "--clips", "none.txt"], "lists no clip"),
    (["align", "tones", "--query", "split = unused"], "No clip matches"),
    (["align", "tones", "--undo"], "nothing to undo"),
    (["label", "no-such-dataset"], "no-such-dataset"),
    (["check", "no-such-dataset"], "no-such-dataset"),
    (["split", "tones", "--shares", "a/b"], "70/10/20"),
    (["split", "tones", "--undo"], "no split to undo"),
    (["dataset", "no-such-dataset", "--rename", "other"], "no-such-dataset"),
    (["dataset", "tones", "--delete", "--confirm", "tone"], "tones"),
    (["run", "no-such-run"], "no-such-run"),
    (["prompts", "tones", "--terms", "no-such-file"], "no-such-file"),
    (["record", "../outside"], "outside"),
    (["train", "no-such-dataset"], "no-such-dataset"),
    (["train", "tones", "--targets", "("], "regular expression"),
    (["train", "tones", "--targets", ".*no_such_layer"], "matches no layer of starter"),
    (["train", "tones", "--rank", "0", "--alpha", "0"], "alpha: must be greater than 0"),
    (["train", "tones", "--config", "nested.json"], "not JSON"),
    (["train", "tones", "--config", "list.json"], "no settings"),
    (["train", "tones", "--config", "bad"], "directory"),
    (["train", "tones", "--foreground"], "--name"),
    (["train", "tones", "--dry-run"], "--on sky"),
    (["train", "tones", "--on", "nonsense"], "Ray"),
    (["train", "tones", "--model", "no-such-model"], "no-such-model"),
    (["--workspace", "a-file", "runs"], "a-file"),
    (["--workspace", "a-file", "train", "tones"], "a-file"),
    (["queue", "--cancel", "no-such-run"], "no-such-run"),
    (["queue", "--move", "no-such-run"], "no-such-run"),
    (["stop", "failed"], "not going on"),
    (["resume", "no-such-run"], "no-such-run"),
    (["report", "failed"], "failed"),
    (["report", "no-such-run"], "no-such-run"),
    (["compare", "failed"], "runs"),
    (["compare", "failed", "no-such-run"], "no-such-run"),
    (["curve", "failed"], "failed"),
    (["evaluate", "failed"], "failed"),
    (["merge", "failed"], "failed"),
    (["export", "failed", "--to", "nowhere"], "no export target"),
    (["export", "failed", "--to", "ggml"], "failed"),
    (["push", "failed", "ann/my-voice"], "failed"),
    (["serve", "failed", "--host", "0.0.0.0", "--wyoming", "10300"], "key"),
    (["serve", "no-such-run"], "no-such-run"),
    (["transcribe"], "nothing to transcribe"),
    (["transcribe", "good/one.wav", "--model", "echo", "--words", "--format", "srt"], "--words is for one model"),
    (["transcribe", "bad/one.wav", "--model", "echo"], "one.wav"),
    (["transcribe", "good/one.wav", "--model", "no-such-model"], "no-such-model"),
    (["fetch", "no/such/id"], "no/such/id"),
    (["ui", "--login", "no-such-file"], "no-such-file"),
    (["demo", "--seeds", "0"], "seeds"),
    (["typos", "make", "no-such-source"], "no-such-source"),
    (["typos", "make", "blank.txt"], "no sentence"),
    (["typos", "make", "prompts", "--keyboard", "dvorak"], "qwertz"),
    (["typos", "make", "prompts", "--profile", "list.json"], "not a typing profile"),
    (["typos", "make", "prompts", "--profile", "no-such-file"], "no-such-file"),
    (["typos", "make", "prompts", "--identity", "0.1"], "identity"),
    (["typos", "make", "latin.txt"], "UTF-8"),
    (["typos", "make", "prompts", "--output", "bad"], "bad is a folder"),
    (["typos", "profile", "nested.json"], "not a pair"),
    (["typos", "profile", "blank.txt"], "no pair"),
    (["mend", "no-such-file"], "no-such-file"),
    (["mend", "latin.txt"], "UTF-8"),
    (["mend", "blank.txt", "--model", "starter"], "transcribes sound"),
    (["mend", "blank.txt", "--model", "no-such-model"], "no-such-model"),
    (["mend", "blank.txt", "--run", "no-such-run"], "no-such-run"),
    (["mend", "blank.txt", "--output", "bad"], "bad is a folder"),
    (["mend", "blank.txt", "--model", "model.gguf"], "studio unpack model.gguf"),
    (["unpack", "no-such-file.gguf"], "no-such-file.gguf"),
    (["unpack", "model.gguf"], "model.gguf is not a GGUF file"),
    (["unpack", "model.gguf", "--output", "bad"], "bad exists already"),
    (["no-such-verb"], "no-such-verb"),
]
TRIED = {words[0] for words in DONE} | {words[0] for words, _ in UNDONE}


def test_every_verb_is_in_the_table() -> None:
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    assert verbs - TRIED == {"doctor"}  # it says how the machine is, and a test machine may lack anything


@pytest.fixture(autouse=True)
def _in_workspace(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)


@pytest.mark.parametrize("words", DONE, ids=" ".join)
def test_what_is_done_ends_with_0(words: list[str], workspace: Path) -> None:
    ended = call(workspace, *words)
    assert ended.code == 0, ended.said


@pytest.mark.parametrize(("words", "reason"), UNDONE, ids=[" ".join(words) for words, _ in UNDONE])
def test_what_is_not_done_ends_with_a_sentence_and_not_with_0(words: list[str], reason: str, workspace: Path) -> None:
    ended = call(workspace, *words)
    assert ended.code in (1, 2), ended.said
    assert reason in ended.said
    assert "[Errno" not in ended.said
    assert not (workspace / "out").exists()


STARTER = """
import sys
from pathlib import Path
from studio import cli
from studio.runs import control
launch = control._launch
def fake(folder, job, lock):
    command = [sys.executable, sys.argv[1], str(folder.path), *sys.argv[2].split()]
    launch(folder, job.model_copy(update={"command": command}), lock)
control._launch = fake
cli.main(["train", "tones", "--model", "echo"])
"""


def _heeds_ctrl_c() -> None:
    """In the new process: what a shell starts in the background, tests too, ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Client:
    """`studio train` in a process of its own, the trainer being the fake one."""

    def __init__(self, root: Path, words: str) -> None:
        environment = {**os.environ, "STUDIO_WORKSPACE": str(root)}
        self.folder = RunFolder(Workspace(root).run(RUN))
        self.process = subprocess.Popen(
            [sys.executable, "-c", STARTER, SCRIPT, words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
            preexec_fn=_heeds_ctrl_c,
        )  # fmt: skip

    def until_step(self) -> None:
        until(lambda: self.folder.events.is_file() and '"type":"step"' in self.folder.events.read_text())

    def ended(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=120)
        assert "Traceback" not in said, said
        return self.process.returncode, said


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Callable[[str], Client]]:
    tones(tmp_path, 10)
    made: list[Client] = []

    def start(words: str) -> Client:
        made.append(Client(tmp_path, words))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.communicate()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path.parent)
            if going := control.active(Workspace(tmp_path)):
                control.stop(going, "discard")
                until(lambda: control.active(Workspace(tmp_path)) is None)


LONG = "steps=100000 pause=0.02"


def test_train_ends_with_0_once_its_result_is_there(client: Callable[[str], Client]) -> None:
    code, said = client("steps=5").ended()
    assert (code, "Finished" in said) == (0, True), said


@pytest.mark.parametrize("words", ["steps=5 crash", pytest.param("steps=5 silent-exit", marks=pytest.mark.thorough)])
def test_train_ends_with_1_where_the_trainer_fails(words: str, client: Callable[[str], Client]) -> None:
    code, said = client(words).ended()
    assert (code, "tones-0001" in said) == (1, True), said


@pytest.mark.parametrize("who", [pytest.param("child", marks=pytest.mark.thorough), "supervisor"])
def test_train_ends_with_1_where_a_process_of_the_run_is_killed(who: str, client: Callable[[str], Client]) -> None:
    running = client(LONG)
    running.until_step()
    job = Job.read(running.folder)
    psutil.Process(getattr(job, who).pid).kill()
    code, said = running.ended()
    assert (code, "tones-0001" in said) == (1, True), said


@pytest.mark.thorough
def test_train_ends_with_1_where_the_workspace_is_moved_away(tmp_path: Path, client: Callable[[str], Client]) -> None:
    running = client(LONG)
    running.until_step()
    job = Job.read(running.folder)
    assert job
    assert job.supervisor
    (tmp_path / "outputs").rename(tmp_path / "elsewhere")
    psutil.Process(job.supervisor.pid).kill()
    code, said = running.ended()
    assert (code, "moved" in said) == (1, True), said
    shutil.rmtree(tmp_path / "elsewhere")


@pytest.mark.thorough
def test_train_ends_with_1_where_the_run_is_discarded(client: Callable[[str], Client]) -> None:
    running = client(LONG)
    running.until_step()
    control.stop(running.folder, "discard")
    code, said = running.ended()
    assert (code, "left no result" in said) == (1, True), said


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.thorough)]
)
def test_a_client_that_is_ended_stops_the_run_and_saves_it(
    number: signal.Signals, code: int, client: Callable[[str], Client]
) -> None:
    running = client(LONG)
    running.until_step()
    until(lambda: control.state(running.folder).status == "running")
    running.process.send_signal(number)
    ended, said = running.ended()
    assert (ended, "then saving and scoring" in said) == (code, True), said
    assert running.folder.done.is_file()
    (run,) = listing.runs(Workspace(running.folder.path.parent.parent))
    assert (run.status, run.wer_after) == ("stopped", 0.08)


IMPORTING = """
import time
from studio import cli
from studio.data import formats
def rows(*_):
    print("reading", flush=True)
    time.sleep(600)
    yield from ()
formats.find("nemo").__class__.rows = rows
cli.main(["import", "new", "packed.zip", "--format", "nemo"])
"""


def test_sigterm_takes_temporary_folders_along(tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        packed.writestr("train_manifest.json", '{"audio_filepath": "one.wav", "text": "one", "duration": 1}\n')
    environment = {**os.environ, "STUDIO_WORKSPACE": str(tmp_path), "TMPDIR": str(place)}
    importing = subprocess.Popen(
        [sys.executable, "-c", IMPORTING], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert importing.stdout
    assert importing.stdout.readline() == "reading\n"
    assert list(place.iterdir())
    importing.terminate()
    importing.communicate(timeout=60)
    assert importing.returncode == 143
    assert list(place.iterdir()) == []
