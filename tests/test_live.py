"""Whoever follows a run sees all of it, at once, from wherever they come in."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_trainer import SCRIPT as FAKE
from fastapi import FastAPI
from fastapi.testclient import TestClient
from loops import in_a_thread

from studio.runs import control, events, processes
from studio.runs.folder import RunFolder
from studio.runs.processes import Job
from studio.ui import live
from studio.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    app = FastAPI()
    app.include_router(live.router(workspace))
    return TestClient(app)


def step(number: int) -> str:
    return events.to_line(
        events.StepDone(step=number, loss=1.0, learning_rate=1e-3, clips_per_second=9.0, seconds=number)
    )


def ended_run(workspace: Workspace, lines: str) -> RunFolder:
    folder = RunFolder(workspace.run("one"))
    folder.path.mkdir(parents=True)
    folder.events.write_text(lines)
    Job(command=[], folder="/", ended_at=time.time(), exit_code=0).write(folder)
    return folder


def messages(text: str) -> list[dict[str, str]]:
    """The server-sent messages of `text`: their fields."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith((":", "retry"))]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def steps_in(text: str) -> list[int]:
    data = [json.loads(message["data"]) for message in messages(text) if "event" not in message]
    return [event["step"] for chunk in data for event in chunk]


def test_the_whole_history_comes_first_then_how_the_run_stands_then_the_end(
    workspace: Workspace, client: TestClient
) -> None:
    ended_run(workspace, "".join(step(n) for n in range(1, 1001)))
    answer = client.get("/studio/runs/one/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert steps_in(answer.text) == list(range(1, 1001))
    named = [(message["event"], message["data"]) for message in messages(answer.text) if "event" in message]
    assert [name for name, _ in named] == ["state", "end"]
    assert json.loads(named[0][1])["status"] == "finished"


def test_a_run_that_is_asked_to_discard_says_so_while_it_stops(workspace: Workspace, client: TestClient) -> None:
    ended_run(workspace, step(1)).request_stop("discard")
    [state, _] = [message for message in messages(client.get("/studio/runs/one/events").text) if "event" in message]
    assert json.loads(state["data"])["how"] == "discard"


def test_one_who_was_cut_off_goes_on_where_they_were(workspace: Workspace, client: TestClient) -> None:
    one, two, three = (step(number) for number in (1, 2, 3))
    ended_run(workspace, one + two + three)
    first = messages(client.get("/studio/runs/one/events").text)
    (after_all,) = [message["id"] for message in first if "id" in message]
    assert after_all == str(len(one + two + three))
    for resumed in (
        client.get("/studio/runs/one/events", headers={"Last-Event-ID": str(len(one))}),
        client.get(f"/studio/runs/one/events?offset={len(one)}"),
    ):
        assert steps_in(resumed.text) == [2, 3]


def test_an_offset_that_makes_no_sense_does_no_harm(workspace: Workspace, client: TestClient) -> None:
    ended_run(workspace, step(1))
    for header in ("nonsense", "-5", "9" * 40):
        assert steps_in(client.get("/studio/runs/one/events", headers={"Last-Event-ID": header}).text) == [1]
    assert client.get("/studio/runs/one/events?offset=-1").status_code == 422
    past_the_end = client.get("/studio/runs/one/events?offset=999999").text
    assert "event: restart" in past_the_end
    assert steps_in(past_the_end) == [1]


def test_torn_and_foreign_lines_are_left_out(workspace: Workspace, client: TestClient) -> None:
    ended_run(workspace, step(1) + 'data: "forged"\r\n\n{"type":"of tomorrow"}\n' + step(2) + '{"type":"st')
    assert steps_in(client.get("/studio/runs/one/events").text) == [1, 2]


@pytest.mark.parametrize("name", ["nobody", "..", "%2e%2e", "..%2f..%2fetc", ".trash", "a%00b", "x" * 300])
@pytest.mark.parametrize("what", ["events", "log"])
def test_only_runs_that_exist_can_be_followed(client: TestClient, name: str, what: str) -> None:
    assert client.get(f"/studio/runs/{name}/{what}").status_code == 404


def test_the_log_is_sent_as_it_was_printed_whatever_its_bytes(workspace: Workspace, client: TestClient) -> None:
    folder = ended_run(workspace, "")
    folder.log.write_bytes("größer\n".encode() + b"\xff\r\n\nevent: end\n")
    text = "".join(
        json.loads(message["data"])
        for message in messages(client.get("/studio/runs/one/log").text)
        if "event" not in message
    )
    assert text == "größer\n�\r\n\nevent: end\n"


def test_of_a_very_long_log_the_end_is_sent(workspace: Workspace, client: TestClient) -> None:
    folder = ended_run(workspace, "")
    folder.log.write_text("x" * 99 + "\n" + ("y" * 99 + "\n") * (live.LOG_TAIL // 50) + "the end\n")
    text = client.get("/studio/runs/one/log").text
    assert "the end" in text
    assert "x" not in text.split("data:", 1)[1]


def running(workspace: Workspace) -> tuple[RunFolder, Any]:
    """A run whose lock this test holds, as its supervisor would."""
    folder = ended_run(workspace, step(1))
    held = processes.claim(workspace.outputs)
    processes.sign(held.__enter__(), folder.name)
    return folder, held


async def until_data(stream: AsyncIterator[str]) -> str:
    async for message in stream:
        if message.startswith("id:"):
            return message
    raise AssertionError("the stream ended")


def test_an_event_is_sent_at_the_next_look_and_looks_are_well_within_a_tenth_of_a_second(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, held = running(workspace)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(seconds)

    monkeypatch.setattr(live, "asyncio", SimpleNamespace(sleep=sleep))

    async def watch() -> None:
        stream = live.follow(folder, folder.events, live.read_events, 0)
        await until_data(stream)
        for number in range(2, 12):
            waiting = asyncio.ensure_future(until_data(stream))
            begun = len(pauses)
            while len(pauses) < begun + 2:
                await asyncio.sleep(0)
            with folder.events.open("a") as log:
                log.write(step(number))
            assert steps_in(await waiting) == [number]
            assert len(pauses) == begun + 2  # none after it was written
        await stream.aclose()  # type: ignore[attr-defined]

    in_a_thread(watch())
    held.__exit__(None, None, None)
    assert max(pauses) < 0.1


def test_a_silent_run_is_followed_with_heartbeats(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.05)
    folder, held = running(workspace)

    async def watch() -> None:
        async for message in live.follow(folder, folder.events, live.read_events, 0):
            if message.startswith(":"):
                return

    in_a_thread(asyncio.wait_for(watch(), 240))
    held.__exit__(None, None, None)


def test_a_hundred_followers_cost_little(workspace: Workspace) -> None:
    folder, held = running(workspace)

    async def watch() -> float:
        async def one() -> None:
            async for _ in live.follow(folder, folder.events, live.read_events, 0):
                pass

        everyone = [asyncio.ensure_future(one()) for _ in range(100)]
        before = time.process_time()
        await asyncio.sleep(2)
        used = time.process_time() - before
        for task in everyone:
            task.cancel()
        await asyncio.gather(*everyone, return_exceptions=True)
        return used

    used = in_a_thread(watch())
    held.__exit__(None, None, None)
    assert threading.active_count() < 20
    assert used < 1.4  # seconds of CPU, in two seconds


def test_a_run_is_seen_from_its_first_event_to_its_last(workspace: Workspace, client: TestClient) -> None:
    folder = RunFolder(workspace.run("one"))
    control.start(folder, [sys.executable, FAKE, str(folder.path), "steps=30", "pause=0.02"])
    text = client.get("/studio/runs/one/events").text  # ends when the run does
    data = [json.loads(message["data"]) for message in messages(text) if "event" not in message]
    kinds = [event["type"] for chunk in data for event in chunk]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    states = [json.loads(message["data"])["status"] for message in messages(text) if message.get("event") == "state"]
    assert states == ["running", "finished"]
