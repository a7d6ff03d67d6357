"""The model's process: it starts late, answers in order, and its death is one sentence and a fresh start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tones import config, folder_of, tones, train, wav

from studio.errors import AudioError, ModelError, StudioError
from studio.inference.worker import Worker
from studio.runs.folder import RunFolder

FAR_END = textwrap.dedent(
    """
    import json, os, signal, sys, time
    for line in sys.stdin:
        request = json.loads(line)
        model = request["model"]
        if model == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if model == "broken":
            print("the roof fell in", file=sys.stderr, flush=True)
            sys.exit(3)
        if model == "idle" and not os.path.exists(request["adapters"][0]):
            open(request["adapters"][0], "w").close()
            sys.exit(0)
        if model == "slow":
            time.sleep(30)
        reply = {"id": request["id"]}
        if model == "deaf":
            reply["error"] = {"code": "AudioError", "what": "Nothing was heard.", "remedy": "Speak up."}
        else:
            size = os.path.getsize(request["audio"])
            reply["result"] = {"text": f"{os.getpid()} {size}", "seconds": 1.0, "latency": 0.1}
        print(json.dumps(reply), flush=True)
    """
)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker whose far end is a few lines of script: no model, no torch."""
    script = tmp_path / "far_end.py"
    script.write_text(FAR_END)
    worker = Worker([sys.executable, str(script)], timeout=20)
    yield worker
    worker.close()


def pid_in(text: str) -> int:
    return int(text.split()[0])


def becomes_true(claim: Callable[[], bool], within: float = 30) -> bool:
    end = time.monotonic() + within
    while not claim() and time.monotonic() < end:
        time.sleep(0.05)
    return claim()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_nothing_starts_until_something_is_asked(worker: Worker) -> None:
    assert worker.pid is None
    worker.transcribe(b"RIFF", "fine")
    assert worker.pid is not None


def test_one_process_answers_one_request_after_another(worker: Worker) -> None:
    first, second = (worker.transcribe(b"x" * size, "fine").text.split() for size in (7, 9))
    assert first[0] == second[0]
    assert (first[1], second[1]) == ("7", "9")


def test_threads_that_ask_at_once_each_get_their_own_answer(worker: Worker) -> None:
    sizes: dict[int, str] = {}

    def ask(size: int) -> None:
        sizes[size] = worker.transcribe(b"x" * size, "fine").text.split()[1]

    threads = [threading.Thread(target=ask, args=(size,)) for size in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == {size: str(size) for size in range(1, 9)}


def test_a_killed_process_is_one_sentence_and_a_fresh_one_at_the_next_call(worker: Worker) -> None:
    with pytest.raises(ModelError, match=r"ended unexpectedly \(SIGKILL, often because memory ran out\)\. A fresh one"):
        worker.transcribe(b"RIFF", "killed")
    assert worker.transcribe(b"RIFF", "fine").text


def test_the_last_words_of_a_broken_process_are_in_the_message(worker: Worker) -> None:
    with pytest.raises(ModelError, match=r"exit code 3\)\. It last said: the roof fell in"):
        worker.transcribe(b"RIFF", "broken")


def test_a_process_that_had_just_gone_idle_is_replaced_without_a_word(worker: Worker, tmp_path: Path) -> None:
    assert worker.transcribe(b"RIFF", "idle", adapter=tmp_path / "mark").text


def test_an_answer_that_takes_too_long_ends_the_process(worker: Worker) -> None:
    impatient = Worker(worker._command[:-1], timeout=0.5)
    with pytest.raises(ModelError, match=r"did not answer within 0\.5 seconds"):
        impatient.transcribe(b"RIFF", "slow")
    assert impatient.pid is None


def test_an_error_crosses_the_pipe_with_its_class_and_both_sentences(worker: Worker) -> None:
    with pytest.raises(AudioError) as raised:
        worker.transcribe(b"RIFF", "deaf")
    assert (raised.value.what, raised.value.remedy) == ("Nothing was heard.", "Speak up.")
    assert worker.pid is not None  # an error is an answer: the process lives


def test_a_closed_worker_leaves_no_process_behind(worker: Worker) -> None:
    pid = pid_in(worker.transcribe(b"RIFF", "fine").text)
    worker.close()
    assert not psutil.pid_exists(pid)


def test_importing_the_near_end_loads_no_torch() -> None:
    code = "import sys, studio.inference.worker; print('torch' in sys.modules, 'numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "False"]


def test_the_real_process_ends_itself_when_idle() -> None:
    worker = Worker(idle=2)
    with pytest.raises(StudioError):
        worker.transcribe(Path("/nowhere.wav"), "no such model")
    pid = worker.pid
    assert pid is not None
    assert becomes_true(lambda: worker.pid is None)
    worker.close()


def test_the_real_process_dies_with_its_page_even_of_kill_9() -> None:
    code = textwrap.dedent(
        """
        import sys, time
        from studio.errors import StudioError
        from studio.inference.worker import Worker
        worker = Worker()
        try:
            worker.prepare("no such model")
        except StudioError:
            print(worker.pid, flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        pid = int(page.stdout.readline())
        assert psutil.pid_exists(pid)
        os.kill(page.pid, signal.SIGKILL)
        assert becomes_true(lambda: is_gone(pid))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """Two runs of the fake family: one learnt to write digits as words, the other hardly anything."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    train(root, "words", config(dropout=0.0))
    train(root, "nothing", config(dropout=0.0, learning_rate=1e-9))
    return {name: folder_of(root, name) for name in ("words", "nothing")}


@pytest.fixture(scope="module")
def echo() -> Iterator[Worker]:
    """The real process, with the fake family's model."""
    worker = Worker()
    yield worker
    worker.close()


def test_one_process_reads_before_and_after(echo: Worker, runs: dict[str, RunFolder]) -> None:
    before, after = (
        reading.plain for reading in echo.transcribe_each(wav("order 129"), "echo", [runs["words"].adapter])
    )
    assert (before.text, after.text) == ("order 129", "order one two nine")
    assert before.seconds == pytest.approx(0.45)
    assert after.confidence is not None


def test_another_run_swaps_the_adapter_and_the_base_stays(echo: Worker, runs: dict[str, RunFolder]) -> None:
    echo.prepare("echo", [runs["words"].adapter])
    pid = echo.pid
    assert echo.transcribe(wav("call 5"), "echo", runs["nothing"].adapter).text == "call 5"
    assert echo.transcribe(wav("call 5"), "echo", runs["words"].adapter).text == "call five"
    assert echo.transcribe(wav("call 5"), "echo").text == "call 5"  # the base, with an adapter in memory
    assert echo.pid == pid


def test_an_adapter_that_was_written_anew_is_read_anew(
    echo: Worker, runs: dict[str, RunFolder], tmp_path: Path
) -> None:
    adapter = shutil.copytree(runs["nothing"].adapter, tmp_path / "lora_adapter")
    assert echo.transcribe(wav("call 5"), "echo", adapter).text == "call 5"
    shutil.copy(runs["words"].adapter / "adapter_model.safetensors", adapter)
    assert echo.transcribe(wav("call 5"), "echo", adapter).text == "call five"


def test_an_adapter_that_cannot_be_loaded_leaves_the_base_usable(echo: Worker, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no adapter"):
        echo.transcribe(wav("call 5"), "echo", tmp_path)
    assert echo.transcribe(wav("call 5"), "echo").text == "call 5"


def test_a_clip_that_is_no_sound_is_refused_in_words(echo: Worker) -> None:
    with pytest.raises(AudioError, match="not a sound file"):
        echo.transcribe(b"hello", "echo")
    assert echo.pid is not None
