"""`studio push`: what is sent to the Hub is shown first, and no recording, transcript or path is ever sent."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tones import config, tones, train
from typer.testing import CliRunner

from studio.cli import app
from studio.data.manifest import Dataset
from studio.errors import ConfigError, HubUnreachableError, ModelError
from studio.export.merged import merge_run
from studio.export.push import prepare
from studio.workspace import Workspace

RUN, THERE = "tones-0001", "ann/my-voice"


class FakeHub(BaseHTTPRequestHandler):
    """As much of the Hub as one commit needs; every file is small enough to come with it."""

    status: ClassVar[int] = 200
    made: ClassVar[list[dict[str, Any]]] = []
    files: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Authorization"] == "Bearer hf_token"
        answer: dict[str, Any] = {}
        if self.path.endswith("/repos/create"):
            self.made.append(json.loads(body))
            answer = {"url": f"https://huggingface.co/{THERE}"}
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            answer = {"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]}
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            answer = {"commitUrl": f"https://huggingface.co/{THERE}/commit/1", "commitOid": "1", "success": True}
        content = json.dumps(answer).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    """A Hub that takes whatever is sent with the right token."""
    from huggingface_hub import constants

    handler = type("Hub", (FakeHub,), {"made": [], "files": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a finished run, merged."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    train(root, RUN, config(dropout=0.0, max_steps=20))
    merge_run(Workspace(root), RUN, None)
    return root


def is_private(repository: dict[str, Any]) -> bool:
    return repository.get("private") is True or repository.get("visibility") == "private"  # earlier, and now


def pushed(root: Path, *flags: str, typed: str = "") -> Any:
    return CliRunner().invoke(app, ["--workspace", str(root), "push", RUN, THERE, *flags], input=typed)


def test_the_card_and_the_files_are_shown_and_nothing_is_sent_without_a_yes(root: Path, hub: type[FakeHub]) -> None:
    refused = pushed(root, typed="n\n")
    assert refused.exit_code == 1
    assert "adapter_model.safetensors" in refused.output
    assert "| Word error rate |" in refused.output
    assert "Only you, and those you invite, can read it. Recordings and transcripts stay here." in refused.output
    assert hub.made == []
    agreed = pushed(root, typed="y\n")
    assert agreed.exit_code == 0, agreed.output
    assert "100 %" in agreed.output
    assert agreed.output.endswith(f"/{THERE}\n")
    assert [(repo["name"], is_private(repo)) for repo in hub.made] == [("my-voice", True)]
    assert set(hub.files) == {"README.md", "adapter_config.json", "adapter_model.safetensors", "base.json"}
    there = (root / f"outputs/{RUN}/lora_adapter/adapter_model.safetensors").read_bytes()
    assert hub.files["adapter_model.safetensors"] == there


@pytest.mark.parametrize("what", ["adapter", "merged"])
def test_no_transcript_and_no_path_of_this_computer_is_sent(root: Path, hub: type[FakeHub], what: str) -> None:
    assert pushed(root, "--what", what, "--yes", "--public").exit_code == 0
    assert not is_private(hub.made[0])
    texts = {clip.text for clip in Dataset.open(root / "recordings/tones").utterances()}
    for name, content in hub.files.items():
        if not name.endswith(".safetensors"):
            assert str(root) not in content.decode(), name
        assert not [text for text in texts if text.encode() in content], name


def test_a_folder_of_this_computer_as_base_is_sent_by_its_name_alone(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "copy")
    adapter = tmp_path / f"copy/outputs/{RUN}/lora_adapter"
    for path in (adapter / "base.json", adapter / "adapter_config.json"):
        found = json.loads(path.read_bytes())
        key = "source" if "source" in found else "base_model_name_or_path"
        path.write_text(json.dumps(found | {key: "/home/ann/models/base-of-mine"}))
    ready = prepare(Workspace(tmp_path / "copy"), RUN, THERE)
    for name in ("base.json", "adapter_config.json", "README.md"):
        content = ready.files[name]
        assert isinstance(content, bytes)
        assert b"/home/ann" not in content
        assert b"base-of-mine" in content


def test_what_was_not_made_and_a_wrong_name_are_refused_with_what_there_is(root: Path) -> None:
    with pytest.raises(ConfigError, match="adapter, merged"):
        prepare(Workspace(root), RUN, THERE, "ctranslate2-int8")
    with pytest.raises(ConfigError, match="owner/name"):
        prepare(Workspace(root), RUN, "my voice")


def test_without_a_token_or_its_right_the_sentence_says_how_to_get_one(
    root: Path, hub: type[FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = prepare(Workspace(root), RUN, THERE)
    hub.status = 403
    with pytest.raises(ModelError, match="may write for “ann”"):
        ready.send()
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ConfigError, match="hf auth login"):
        ready.send()


def test_without_a_connection_nothing_is_half_sent(
    root: Path, hub: type[FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubUnreachableError, match=f"could not be reached for {THERE}"):
        prepare(Workspace(root), RUN, THERE).send()
    assert hub.files == {}
