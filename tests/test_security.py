"""Who may talk to the page. Each test is an attack, or a person who must not be kept out."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from browsing import Served, served
from sounds import recording, saved
from starlette.datastructures import Headers

from studio.data.manifest import Dataset
from studio.errors import ConfigError
from studio.web.bodies import LARGEST_MESSAGE
from studio.web.login import FREE, Login
from studio.web.security import HostRule, is_loopback, is_same_origin, require_login

OFFERED = {"add_clip", "compare_runs", "list_clips", "list_datasets", "list_runs", "merge_run", "report_run",
           "start_training", "stop_training", "transcribe_clip"}  # fmt: skip
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def root(studio: Served) -> Path:
    return studio.workspace


@pytest.fixture(scope="module")
def client(studio: Served) -> Iterator[httpx.Client]:
    with studio.client() as client:
        yield client


@pytest.mark.parametrize(
    "host", ["evil.com", "evil.com:7860", "127.0.0.1.evil.com", "localhost.evil.com", "192.168.1.9", "["]
)
def test_a_name_pointed_at_loopback_gets_no_answer(client: httpx.Client, host: str) -> None:
    for path in ("/", "/config", "/studio/assets/studio.js", "/studio/overview/my-voice"):
        assert client.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:9999", "LOCALHOST", "[::1]:7860"])
def test_loopback_under_any_of_its_names_and_through_a_tunnel_is_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/studio/assets/studio.js", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},  # another program of this machine, another port
        {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_web_site_can_change_nothing(client: httpx.Client, root: Path, headers: dict[str, str]) -> None:
    sound = {"audio": ("a.wav", recording(), "audio/wav")}
    refused = [
        client.post("/studio/record/stolen", files=sound, data={"text": "x"}, headers=headers),
        client.post("/studio/trash/stolen", json={"ids": []}, headers=headers),
        client.post("/gradio_api/upload", files={"files": ("a.txt", b"x")}, headers=headers),
        client.post("/gradio_api/queue/join", content='{"data":[]}', headers=headers | {"Content-Type": "text/plain"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * 4
    assert not (root / "recordings" / "stolen").exists()


def test_the_page_itself_and_programs_without_a_page_may_post(client: httpx.Client, studio: Served) -> None:
    for headers in ({"Origin": studio.url.strip("/")}, {}, {"Sec-Fetch-Site": "same-origin"}):
        answer = client.post("/studio/prompts/mine", json={"script": "phrases"}, headers=headers)
        assert answer.status_code == 200


def test_the_origin_is_compared_as_a_whole() -> None:
    assert is_same_origin(Headers({"host": "Localhost:7860", "origin": "http://localhost:7860"}), "http")
    assert not is_same_origin(Headers({"host": "localhost:7860", "origin": "http://localhost:78601"}), "http")
    assert not is_same_origin(Headers({"host": "localhost:7860", "origin": "http://localhost"}), "http")


def test_a_browser_may_send_nothing_elsewhere_and_embed_nothing_of_ours(client: httpx.Client) -> None:
    headers = client.get("/").headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "http:" not in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["../../etc", "..%2f..%2fetc", "%2e%2e", "/etc", "a/../../b", "C:\\x", "a\x00b"])
def test_a_dataset_is_a_name_and_never_a_path(client: httpx.Client, root: Path, name: str) -> None:
    before = sorted(root.rglob("*"))
    for path in (f"/studio/clips/{name}/passwd", f"/studio/review/{name}", f"/studio/overview/{name}"):
        assert client.get(path.replace("\x00", "%00")).status_code in (400, 404)
    answer = client.post(f"/studio/prompts/{name}".replace("\x00", "%00"), json={"script": "phrases"})
    assert answer.status_code in (400, 404, 405)
    assert sorted(root.rglob("*")) == before


def test_a_clip_is_looked_up_and_never_opened_by_path(client: httpx.Client, root: Path) -> None:
    dataset = Dataset.create(root / "recordings" / "mine")
    clip = dataset.add(recording(), text="hello")
    (root / "recordings" / "secret.wav").write_bytes(recording(1))
    assert client.get(f"/studio/clips/mine/{clip.id}").status_code == 200
    for id in (
        "../secret.wav",
        "..%2f..%2fsecret.wav",
        f"clips%2f{clip.id}.wav",
        "manifest.jsonl",
        "%2fetc%2fpasswd",
    ):
        answer = client.get(f"/studio/clips/mine/{id}")
        assert answer.status_code in (400, 404)
        assert str(root) not in answer.text


def test_gradio_serves_no_file_of_this_machine(client: httpx.Client, root: Path) -> None:
    for path in (
        "/etc/passwd",
        root / "recordings" / "mine" / "manifest.jsonl",
        Path.cwd() / "pyproject.toml",
    ):
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)


def test_there_are_no_pages_about_the_interface(client: httpx.Client) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/monitoring", "/gradio_api/mcp/sse"):
        assert client.get(path).status_code in (401, 403, 404), path
    paths = set(client.get("/gradio_api/openapi.json").json()["paths"])
    assert {path.rpartition("/")[2] for path in paths} <= OFFERED | {"upload", "{event_id}"}


def test_no_event_of_the_page_is_an_endpoint_for_others(client: httpx.Client) -> None:
    public = [d for d in client.get("/config").json()["dependencies"] if d["api_visibility"] != "private"]
    assert {d["api_name"] for d in public} == OFFERED
    found = client.get("/gradio_api/info").json()
    assert ({name.strip("/") for name in found["named_endpoints"]}, found["unnamed_endpoints"]) == (OFFERED, {})


def test_more_than_the_largest_upload_is_refused_before_it_is_read(studio: Served) -> None:
    with socket.create_connection(("127.0.0.1", studio.port), timeout=30) as line:
        request = f"POST /studio/import/mine HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 40}\r\n\r\nx"
        line.sendall(request.encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_in_chunks_is_cut_off_at_the_same_size(studio: Served) -> None:
    head = "POST /studio/trash/mine HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    with socket.create_connection(("127.0.0.1", studio.port), timeout=30) as line:
        line.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        with suppress(ConnectionError):
            for _ in range((LARGEST_MESSAGE >> 20) + 2):  # and no end: a server that waits for it would not answer
                line.sendall(piece)
        assert line.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "studio.example.com"])
def test_other_computers_are_let_in_only_with_a_login(host: str) -> None:
    with pytest.raises(ConfigError, match=r"ssh -L 7871:localhost:7871 .*--login"):
        require_login(host, 7871, None)
    require_login(host, 7871, Login("anna", PASSWORD))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_loopback_needs_no_login(host: str) -> None:
    assert is_loopback(host)
    require_login(host, 7860, None)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", marks=pytest.mark.thorough),
        pytest.param("\n", marks=pytest.mark.thorough),
        "  \nanna:correct horse battery\n",
    ],
)
def test_an_empty_login_opens_nothing_on_loopback_either(tmp_path: Path, text: str) -> None:
    file = saved(tmp_path / "login.txt", text.encode())
    for words, variables in ((["--login", str(file)], {}), ([], {"STUDIO_LOGIN": text.partition("\n")[0]})):
        said = subprocess.run(
            [sys.executable, "-m", "studio", "--workspace", str(tmp_path), "ui", "--no-browser", *words],
            **{"env": os.environ | variables, "capture_output": True, "text": True, "timeout": 60},
        )
        assert said.returncode == 1
        assert "is empty. Write the secret there, or leave the option out." in said.stderr
        assert "Traceback" not in said.stderr


def test_with_a_login_everything_asks_for_it_and_after_some_wrong_passwords_the_next_has_to_wait(
    tmp_path: Path,
) -> None:
    with served(tmp_path, STUDIO_LOGIN=f"anna:{PASSWORD}") as studio, studio.client() as client:
        for path in ("/", "/config", "/studio/assets/studio.js", "/gradio_api/info", "/theme.css"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
        assert client.get("/", auth=("anna", "the old one")).status_code == 401
        assert client.get("/", auth=("anna", PASSWORD)).status_code == 200
        for _ in range(3 * FREE):  # a page that was left open with an old password asks again and again
            assert client.get("/config", auth=("anna", "the old one")).status_code == 401
        answers = [client.get("/config", auth=("anna", f"guess {number}")) for number in range(FREE)]
        assert [answer.status_code for answer in answers] == [401] * (FREE - 1) + [429]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert client.get("/config", auth=("anna", PASSWORD)).status_code == 429
        time.sleep(1.1)
        assert client.get("/config", auth=("anna", PASSWORD)).status_code == 200


def test_beyond_loopback_an_address_is_answered_and_a_strangers_name_is_not() -> None:
    rule = HostRule.listening_on("0.0.0.0")
    assert rule.admits("192.168.1.2:7860")
    assert rule.admits("[fe80::1]:7860")
    assert not rule.admits("evil.com:7860")
    assert HostRule.listening_on("studio.example.com").admits("studio.example.com")
