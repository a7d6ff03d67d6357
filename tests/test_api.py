"""Other programs ask the page for what it can do, by ids; nothing takes a path, and nothing gives one away."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import PATIENCE, Served, served
from finished import finished
from gradio_client import Client
from gradio_client.exceptions import AppError
from loops import in_a_thread
from tones import config, tones, train, wav

from studio.config import preset
from studio.data.manifest import Dataset
from studio.runs import control
from studio.runs.folder import RunFolder

NAMES = [
    "add_clip",
    "compare_runs",
    "list_clips",
    "list_datasets",
    "list_runs",
    "merge_run",
    "report_run",
    "start_training",
    "stop_training",
    "transcribe_clip",
]
LOGIN = ("anna", "correct horse battery")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two runs, of which one is said to have learnt."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    finished(root, "tones-0001", ["one two"] * 6, ["12"] * 6, ["12"] * 6)
    finished(root, "tones-0002", ["one two"] * 6, ["12"] * 6, ["one two"] * 6)
    return root


@pytest.fixture(scope="module")
def studio(root: Path) -> Iterator[Served]:
    with served(root, STUDIO_LOGIN=":".join(LOGIN)) as studio:
        yield studio


@pytest.fixture(scope="module")
def client(studio: Served) -> Iterator[Client]:
    client = Client(studio.url, verbose=False, httpx_kwargs={"auth": LOGIN}, analytics_enabled=False)
    yield client
    client.close()


def test_these_functions_are_offered_and_no_other(client: Client) -> None:
    offered = client.view_api(return_format="dict", print_info=False)
    assert sorted(offered["named_endpoints"]) == [f"/{name}" for name in NAMES]
    assert offered["unnamed_endpoints"] == {}


def test_a_program_finds_datasets_and_clips(client: Client) -> None:
    (dataset,) = client.predict(api_name="/list_datasets")
    assert (dataset["dataset"], sum(dataset["clips"].values())) == ("tones", 20)
    clips = client.predict("tones", "split = test", api_name="/list_clips")
    assert 0 < len(clips) < 20
    assert client.predict("tones", "split = test", 1, api_name="/list_clips") == clips[1:]


@pytest.mark.thorough
def test_a_clip_is_read_before_and_after(client: Client, root: Path) -> None:
    train(root, "tones-0003", config(dropout=0.0, max_steps=20))
    clip = client.predict("tones", "split = test", api_name="/list_clips")[0]
    heard = client.predict("tones", clip["id"], "tones-0003", api_name="/transcribe_clip")
    assert heard["reference"] == heard["after"]["text"] == clip["text"]
    assert heard["before"]["text"] != heard["after"]["text"]


def test_a_runs_figures_and_what_tells_two_runs_apart(client: Client, root: Path) -> None:
    assert {run["name"] for run in client.predict(api_name="/list_runs")} >= {"tones-0001", "tones-0002"}
    report = client.predict("tones-0002", api_name="/report_run")
    assert len(report["answers"]) == 4
    assert (report["before"]["score"]["wer"], report["after"]["score"]["wer"]) == (1.0, 0.0)
    compared = client.predict(["tones-0001", "tones-0002"], api_name="/compare_runs")
    assert [run["run"] for run in compared["runs"]] == ["tones-0001", "tones-0002"]
    assert str(root) not in json.dumps([report, compared, client.predict("tones", api_name="/list_clips")])


@pytest.mark.thorough
def test_a_program_records_trains_and_stops_by_name(client: Client, root: Path) -> None:
    sound = base64.b64encode(wav("order 12")).decode()
    clip = client.predict("by-program", sound, "order one two", api_name="/add_clip")
    assert client.predict("by-program", sound, "order one two", api_name="/add_clip") == clip
    assert [(kept.id, kept.text) for kept in Dataset.open(root / "recordings" / "by-program").utterances()] == [
        (clip["id"], "order one two")
    ]
    begun = client.predict("tones", "starter", "quick", api_name="/start_training")
    folder = RunFolder(root / "outputs" / begun["run"])
    assert (begun["position"], folder.settings()) == (0, preset("quick", dataset="tones"))
    client.predict(begun["run"], True, api_name="/stop_training")
    while not control.state(folder).is_over:
        time.sleep(0.1)
    assert control.state(folder).status == "stopped"
    assert not folder.adapter.exists()


@pytest.mark.parametrize(
    ("name", "arguments", "what"),
    [
        ("list_clips", ["../../etc"], "cannot be a name"),
        ("list_clips", ["no-such"], "no-such"),
        ("transcribe_clip", ["tones", "../manifest"], "manifest"),
        ("transcribe_clip", ["tones", "{first}", "", "/etc"], "does not offer the model"),
        ("transcribe_clip", ["tones", "{first}", "../tones-0001"], "cannot be a name"),
        ("report_run", ["/etc"], "cannot be a name"),
        ("compare_runs", [["tones-0001", "gone"]], "no run"),
        ("add_clip", ["../else", "UklGRg==", "a"], "cannot be a name"),
        ("add_clip", ["tones", "no base64!", "a"], "not base64"),
        ("add_clip", ["tones", "UklGRg==", "a"], "sound"),
        ("add_clip", ["new", "UklGRg==", "a"], "sound"),
        ("add_clip", ["tones", None, "a"], "sound: "),
        ("add_clip", ["tones", "UklGRg==", ["a"]], "text: "),
        ("stop_training", [None], "run: "),
        ("start_training", ["no-such"], "There is no dataset “no-such”"),
        ("start_training", ["tones", "/etc", "quick"], "does not offer the model"),
        ("start_training", ["tones", "starter", "fast"], "no preset"),
        ("start_training", ["../tones"], "cannot be a name"),
        ("stop_training", ["../tones-0001"], "cannot be a name"),
        ("merge_run", ["gone"], "no longer exists"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(
    client: Client, root: Path, name: str, arguments: list[Any], what: str
) -> None:
    first = Dataset.open(root / "recordings" / "tones").utterances()[0].id
    given = [first if argument == "{first}" else argument for argument in arguments]
    with pytest.raises(AppError, match=what) as refused:
        client.predict(*given, api_name=f"/{name}")
    assert "Traceback" not in str(refused.value)
    assert str(root) not in str(refused.value)
    assert not (root / "recordings" / "new").exists()


def test_without_the_login_nothing_is_answered(studio: Served) -> None:
    with studio.client() as client:
        for path in ("gradio_api/info", "gradio_api/mcp/", "config"):
            assert client.get(path).status_code == 401
        assert client.post("gradio_api/call/list_runs", json={"data": []}).status_code == 401


def test_assistants_get_nothing_unless_they_are_asked_in(studio: Served) -> None:
    with httpx.Client(base_url=studio.url, auth=LOGIN) as client:
        assert client.get("gradio_api/mcp/schema").status_code == 404


@pytest.mark.thorough
def test_an_assistant_uses_the_same_functions_as_tools(root: Path) -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def ask(url: str) -> tuple[list[str], Any]:
        async with (
            httpx.AsyncClient(auth=LOGIN, timeout=PATIENCE / 1000) as client,
            streamable_http_client(url, http_client=client) as (reading, writing, _),
            ClientSession(reading, writing) as one,
        ):
            await one.initialize()
            tools = await one.list_tools()
            answer = await one.call_tool(next(tool.name for tool in tools.tools if "list_runs" in tool.name), {})
            return [tool.name for tool in tools.tools], answer

    program = ("-c", "from studio.cli import main; import sys; main([*sys.argv[1:], '--mcp'])")
    environment = {"STUDIO_LOGIN": ":".join(LOGIN), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    with served(root, program=program, **environment) as studio:
        names, answer = in_a_thread(ask(f"{studio.url}gradio_api/mcp/"))
    assert sorted(names) == NAMES
    assert not answer.isError
    assert "tones-0001" in answer.content[0].text
