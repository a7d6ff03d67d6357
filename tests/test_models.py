"""The registry, the catalogue, devices, and fetching from a Hub that runs in this process."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import tiny_models

from studio.errors import DeviceError, DiskError, ModelError
from studio.models import catalogue, family_named, fetch, is_cpu_build, load, locate, pick_device
from studio.models.registry import FAMILIES

TINY = "UsefulSensors/moonshine-tiny"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(BaseHTTPRequestHandler):
    """As much of the Hub as a download needs. `repositories` maps an id to its files, `refusals` to a status."""

    repositories: dict[str, dict[str, bytes]]
    refusals: dict[str, tuple[int, str]]
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        self.asked.append(self.path)
        owner, name, *rest = self.path.partition("?")[0].removeprefix("/api/models").strip("/").split("/")
        hub_id = f"{owner}/{name}"
        if hub_id in self.refusals:
            status, code = self.refusals[hub_id]
            self.reply(status, b"{}", {"X-Error-Code": code}, body=body)
        elif hub_id not in self.repositories:
            self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)
        elif self.path.startswith("/api/"):
            self.reply(200, self.info(hub_id), {"Content-Type": "application/json"}, body=body)
        else:
            content = self.repositories[hub_id][rest[-1]]
            tags = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": REVISION}
            self.reply(200, content, tags, body=body)

    def info(self, hub_id: str) -> bytes:
        files = [{"rfilename": name, "size": len(data)} for name, data in self.repositories[hub_id].items()]
        return json.dumps({"_id": "0", "id": hub_id, "sha": REVISION, "siblings": files, "tags": []}).encode()

    def reply(self, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tiny_models.moonshine(tmp_path_factory.mktemp("tiny"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(tmp_path: Path, tiny_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    """A Hub with moonshine-tiny, and an empty cache."""
    from huggingface_hub import constants

    extras = {"README.md": b"card", "pytorch_model.bin": b"code", "onnx/config.json": b"{}"}
    handler = type("Hub", (FakeHub,), {"repositories": {TINY: tiny_files | extras}, "refusals": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_fetched_model_is_found_on_disk_and_loads_without_the_network(hub: type[FakeHub]) -> None:
    assert next(card for card in catalogue() if card.id == TINY).state == "download"
    seen: list[tuple[int, int]] = []
    folder = fetch(TINY, lambda done, total: seen.append((done, total)))
    asked = len(hub.asked)
    assert load(TINY, "cpu").folder == folder == locate(TINY)
    assert next(card for card in catalogue() if card.id == TINY).state == "on disk"
    assert len(hub.asked) == asked
    done = [so_far for so_far, _ in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1] > 0


def test_only_safetensors_json_and_tokenizer_files_are_fetched(hub: type[FakeHub]) -> None:
    names = {path.name for path in fetch(TINY).iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not names & {"pytorch_model.bin", "README.md", "onnx"}


def test_a_stopped_download_is_not_taken_for_a_model(hub: type[FakeHub]) -> None:
    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(TINY, stop)
    with pytest.raises(ModelError, match="studio fetch"):
        locate(TINY)
    assert load(str(fetch(TINY)), "cpu")


def test_weights_in_pieces_are_a_model_only_when_every_piece_is_there(
    hub: type[FakeHub], tiny_files: dict[str, bytes]
) -> None:
    pieces = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    files = {name: data for name, data in tiny_files.items() if name != "model.safetensors"}
    files |= {"model.safetensors.index.json": json.dumps(pieces).encode(), "model-1.safetensors": b"1"}
    hub.repositories = {TINY: files}
    with pytest.raises(ModelError, match="no model"):
        fetch(TINY)
    files["model-2.safetensors"] = b"2"
    assert (fetch(TINY) / "model-2.safetensors").read_bytes() == b"2"


def test_offline_mode_is_lifted_only_while_fetching(hub: type[FakeHub], monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    during: list[bool] = []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    fetch(TINY, lambda *_: during.append(constants.HF_HUB_OFFLINE))
    assert during
    assert not any(during)
    assert constants.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [(404, "RepoNotFound", "has no model"), (403, "GatedRepo", "on request"), (400, "", "refused")],
)
def test_what_the_hub_refuses_is_a_sentence(hub: type[FakeHub], status: int, code: str, says: str) -> None:
    hub.refusals["a/b"] = (status, code)
    with pytest.raises(ModelError, match=says):
        fetch("a/b")


def test_a_model_without_safetensors_is_refused_before_it_is_downloaded(hub: type[FakeHub]) -> None:
    hub.repositories = {"a/b": {"config.json": b"{}", "pytorch_model.bin": b"code"}}
    with pytest.raises(ModelError, match="safetensors"):
        fetch("a/b")
    assert not any("resolve" in path for path in hub.asked)


def test_no_connection_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="internet connection"):
        fetch("openai/whisper-base")


def test_a_disk_too_small_is_said_before_the_download(hub: type[FakeHub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(DiskError, match="no room"):
        fetch(TINY)
    assert not any("resolve" in path for path in hub.asked)


def test_every_family_is_found_by_its_name_and_offers_the_default_targets() -> None:
    for name in FAMILIES:
        family = family_named(name)
        assert family.name == name
        assert {"conventions", "voice", "deep", "full"} == set(family.lora_targets)


def test_a_misspelt_family_gets_a_hint() -> None:
    with pytest.raises(ModelError, match="Did you mean “moonshine”"):
        family_named("moonshin")


def test_the_picker_offers_the_bundled_model_first_and_never_the_fake() -> None:
    cards = catalogue()
    assert (cards[0].id, cards[0].state, cards[0].download_bytes) == ("starter", "bundled", 0)
    assert "echo" not in {card.id for card in cards}
    assert {card.id for card in cards if card.state == "bundled"} == {"starter", "typing-starter"}
    published = [card for card in cards if card.state != "bundled" and card.family != "kyutai_speech_to_text"]
    assert all(card.download_bytes > 4 * card.parameters for card in published)


def test_a_model_that_is_not_here_says_how_to_fetch_it_or_what_was_meant() -> None:
    with pytest.raises(ModelError, match="studio fetch UsefulSensors/moonshine-base"):
        locate("UsefulSensors/moonshine-base")
    with pytest.raises(ModelError, match="Did you mean “UsefulSensors/moonshine-base”"):
        locate("UsefulSensor/moonshine-base")
    with pytest.raises(ModelError, match="Did you mean “starter”"):
        locate("startr")


def test_a_folder_that_is_no_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a model folder"):
        load(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds an adapter"):
        load(tmp_path)


def test_a_torn_config_is_a_sentence(tmp_path: Path) -> None:
    for content in ("", "[]", '{"model_type"', "{}"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(ModelError):
            load(tmp_path)


def test_an_absent_device_is_refused_with_what_exists() -> None:
    with pytest.raises(DeviceError, match="cpu"):
        pick_device("cuda:63")
    assert pick_device("cpu") == "cpu"


def test_a_build_for_cpus_is_known_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_cpu_build() or pick_device("auto") == "cpu"
    for version, is_cpu in (("2.13.0+cpu", True), ("2.13.0+cu130", False), ("2.13.0", False)):
        monkeypatch.setattr("studio.models.device.version", lambda name, version=version: version)
        assert is_cpu_build() is is_cpu


def test_auto_prefers_cuda_then_mps_then_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto") == pick_device("cuda") == "cuda:0"
    assert pick_device("cuda:1") == "cuda:1"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == "mps"


def test_half_precision_on_a_cpu_is_refused_with_the_remedy() -> None:
    with pytest.raises(DeviceError, match="bf16"):
        load("echo", "cpu", "fp16")


def test_the_catalogue_and_the_families_load_no_torch() -> None:
    code = (
        "import sys, studio.models as models; models.catalogue();"
        "[models.family_named(name).lora_targets for name in ('moonshine', 'moonshine_streaming', 'echo')];"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
