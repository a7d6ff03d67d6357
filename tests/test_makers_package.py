"""Where the Hub is out of reach, Moonshine tiny comes from its makers' package: whole and unchanged, or not at all."""

from __future__ import annotations

import json
import os
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from studio.cli.runs import asked_for
from studio.config import STARTER, TrainConfig
from studio.errors import HubUnreachableError, ModelError
from studio.models import fetch, hub, load, locate, makers_package
from studio.models.catalogue import TINY, catalogue, default_model, packaged_folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of models, and no Hub."""
    from huggingface_hub import constants

    def unreachable(*_: object) -> Path:
        raise HubUnreachableError("The Hub does not answer.", "Wait.")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "_from_hub", unreachable)
    return tmp_path


def test_without_pips_packages_it_says_what_neither_way_brought(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelError, match=r"does not answer\. The package moonshine-voice.* could not be downloaded"):
        fetch(TINY)
    assert list(cache.rglob("*.safetensors")) == []


def test_another_model_has_no_second_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makers_package, "fetch", None)
    with pytest.raises(HubUnreachableError, match="does not answer"):
        fetch("openai/whisper-base")


def test_who_stops_it_keeps_nothing_of_it(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(KeyboardInterrupt):
        fetch(TINY, stop)
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    with pytest.raises(ModelError, match="studio fetch"):
        locate(TINY)


def test_who_chose_no_model_gets_moonshine_once_it_is_on_this_disk(cache: Path) -> None:
    assert default_model() == STARTER
    folder = tiny_models.moonshine(packaged_folder(TINY))
    assert (default_model(), locate(TINY)) == (TINY, folder.resolve())
    assert next(card.state for card in catalogue() if card.id == TINY) == "on disk"
    options = {"config": None, "preset": "quick", "foreground": False, "like": None, "dataset": "mine"}
    assert asked_for(options).model == TINY
    assert asked_for({**options, "model": STARTER}).model == STARTER
    assert TrainConfig(dataset="mine").command()[2:5] == ["mine", "--model", STARTER]


class Index(BaseHTTPRequestHandler):
    """A package index whose connection breaks in the middle of the package, once."""

    wheel: bytes
    asked: list[str | None]  # the range that each request for the package stated

    def do_GET(self) -> None:
        if not self.path.endswith(".whl"):
            return self.answer(200, f'<a href="/{WHEEL}">{WHEEL}</a>'.encode(), "text/html")
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        if wanted is None:
            return self.answer(200, self.wheel, breaks_after=len(self.wheel) // 2)
        return self.answer(206, self.wheel[int(wanted.removeprefix("bytes=").rstrip("-")) :])

    def answer(self, code: int, body: bytes, kind: str = "application/zip", breaks_after: int | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"the same"')
        self.end_headers()
        self.wfile.write(body[:breaks_after])

    def log_message(self, *_: object) -> None:
        """Nothing."""


WHEEL = makers_package.PACKAGE.replace("-", "_").replace("==", "-") + "-py3-none-manylinux_2_34_x86_64.whl"


def test_a_download_that_breaks_goes_on_where_it_broke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "wheel", "w") as archive:
        archive.writestr("moonshine_voice/assets/else", bytes(400_000))
        archive.writestr("moonshine_voice-0.0.62.dist-info/METADATA", "Name: moonshine-voice\nVersion: 0.0.62\n")
        archive.writestr("moonshine_voice-0.0.62.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    Index.wheel, Index.asked = (tmp_path / "wheel").read_bytes(), []
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        with pytest.raises(ModelError, match="holds something else"):  # so it came, whole
            fetch(TINY)
        server.shutdown()
    assert Index.asked == [None, f"bytes={len(Index.wheel) // 2}-"]


@pytest.mark.parametrize("content", [{}, dict.fromkeys(makers_package._SHA256, b"else")], ids=["empty", "changed"])
def test_a_package_with_other_content_is_refused_and_nothing_of_it_loads(
    content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    wheel = cache / "package.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(makers_package._LICENCE, "free")
        for name, data in content.items():
            archive.writestr(f"{makers_package._ASSETS}/{name}", data)
    monkeypatch.setattr(makers_package, "_downloaded", lambda *_: wheel)
    with pytest.raises(ModelError, match="holds something else"):
        fetch(TINY)
    with pytest.raises(ModelError, match="studio fetch"):
        locate(TINY)


def test_a_tokenizer_is_made_of_a_list_of_tokens(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    found = ["<unk>", "<s>", "</s>", *map(chr, range(256)), "▁", "a", "b", "▁a", "ab", "<<ST_0>>"]
    tokens = [bytes([place - 3]) if 3 <= place < 259 else token.encode() for place, token in enumerate(found)]
    made = makers_package.tokenizer(b"".join(bytes([len(token)]) + token for token in tokens))
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(made))
    tokenizer = Tokenizer.from_file(str(path))
    assert tokenizer.encode("ab é").tokens == ["<s>", "▁a", "b", "▁", "<0xC3>", "<0xA9>"]
    assert tokenizer.decode(tokenizer.encode("ab é").ids) == "ab é"


@pytest.mark.thorough
def test_the_real_package_gives_the_makers_weights_and_tokenizer(cache: Path) -> None:
    from safetensors.numpy import load_file

    reference = Path(__file__).resolve().parents[2] / "shared" / "models" / "moonshine-tiny"
    if not reference.is_dir():
        pytest.skip("the real models are absent: they belong in shared/models beside the project")
    try:
        folder = fetch(TINY)
    except ModelError as error:
        pytest.skip(f"pip reaches no package here: {error}")
    packed, made = load_file(reference / "packed.safetensors"), load_file(folder / "model.safetensors")
    names = {name for name in packed if not name.endswith((".scale", ".zero_point"))}
    assert set(made) == names
    for name in names:
        full = packed[name].astype(np.float32)
        if f"{name}.scale" in packed:
            full = (full - packed[f"{name}.zero_point"]) * packed[f"{name}.scale"]
        assert np.array_equal(made[name], full), name
    told = json.loads((reference / "tokenizer.json").read_text())
    assert json.loads((folder / "tokenizer.json").read_text()) == told
    assert makers_package.is_packaged(locate(TINY))
    assert load(TINY, "cpu").family.name == "moonshine"
