"""The page behind a TLS proxy: nginx, with the lines that the README gives."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browsing import Served, free_port, served
from sounds import recording

from studio.errors import ConfigError
from studio.web.login import Login
from studio.web.security import HostRule, PublicUrl, require_login

NAME = "studio.example.com"
LOGIN = ("anna", "correct horse battery")
PROJECT = Path(__file__).resolve().parent.parent
AROUND = """
{user} daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {servers}
}}
"""
SERVER = """
server {{
    listen 127.0.0.1:{at} ssl; server_name studio.example.com;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    {location}
}}
"""
KEPT, REWRITTEN = "proxy_set_header Host $host;", ""  # nginx sends 127.0.0.1:7860 of itself


def readmes_lines(port: int, host: str) -> str:
    """What the README says to put into nginx's server block, for a studio at `port`, and the line `host` within."""
    block = (PROJECT / "README.md").read_text(encoding="utf-8").partition("```nginx\n")[2].partition("```")[0]
    assert "proxy_pass http://127.0.0.1:7860;" in block
    return block.replace(":7860;", f":{port};\n    {host}", 1)


@pytest.fixture(scope="module")
def port() -> int:
    """What browsers ask for is part of the address: both proxies cannot have the same, so each test names one."""
    return free_port()


@pytest.fixture(scope="module")
def studio(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    words = f"import sys; from studio.cli import main; main([*sys.argv[1:], '--public-url', 'https://{NAME}:{port}'])"
    root = tmp_path_factory.mktemp("workspace")
    with served(root, program=("-c", words), STUDIO_LOGIN=":".join(LOGIN)) as studio:
        yield studio


def proxied(studio: Served, at: int, folder: Path, host: str) -> subprocess.Popen[bytes]:
    """nginx in front of `studio`."""
    location = readmes_lines(studio.port, host)
    user = "user root;" if os.geteuid() == 0 else ""  # of its workers: the folder for bodies is ours alone
    servers = SERVER.format(at=at, folder=folder, location=location)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, servers=servers, user=user))
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    made += ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    subprocess.run(made, check=True, capture_output=True)
    return subprocess.Popen([str(shutil.which("nginx")), "-c", f"{folder}/nginx.conf", "-p", str(folder)])


@pytest.fixture(params=[KEPT, REWRITTEN], ids=["host kept", "host rewritten"])
def client(request: pytest.FixtureRequest, studio: Served, port: int, tmp_path: Path) -> Iterator[httpx.Client]:
    """A browser's requests, through nginx."""
    if not shutil.which("nginx") or not shutil.which("openssl"):
        pytest.skip("no nginx or openssl on this machine: install the packages nginx-light and openssl")
    nginx = proxied(studio, port, tmp_path, request.param)
    trusted = ssl.create_default_context(cafile=tmp_path / "cert.pem") if wait_for(tmp_path / "nginx.pid") else None
    assert trusted
    try:
        headers = {"Host": f"{NAME}:{port}", "Origin": f"https://{NAME}:{port}"}
        extensions = {"sni_hostname": NAME}
        with httpx.Client(
            base_url=f"https://127.0.0.1:{port}/", verify=trusted, headers=headers, auth=LOGIN, timeout=60
        ) as client:
            client.event_hooks["request"].append(lambda sent: sent.extensions.update(extensions))
            yield client
    finally:
        nginx.terminate()
        nginx.wait(timeout=20)


def wait_for(path: Path) -> bool:
    deadline = time.monotonic() + 20
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.exists()


@pytest.mark.thorough
def test_the_page_works_behind_the_proxy(client: httpx.Client, studio: Served, port: int) -> None:
    config = client.get("/config").json()
    assert config["root"] == f"https://{NAME}:{port}"
    assert client.get("/").status_code == 200
    sound = {"audio": ("a.wav", recording(), "audio/wav")}
    saved = client.post("/studio/record/mine", files=sound, data={"text": "hello", "prompt": "hello"})
    assert saved.status_code == 200
    assert (studio.workspace / "recordings" / "mine" / "manifest.jsonl").read_text().count("\n") >= 1


def test_events_arrive_as_they_happen(client: httpx.Client) -> None:
    body = {"data": ["mine", "", 0], "session_hash": "abc", "fn_index": 0}
    with client.stream("GET", "/gradio_api/heartbeat/abc", timeout=20) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_lines())
    assert client.post("/gradio_api/queue/join", json=body).status_code < 500


def test_others_stay_out_behind_the_proxy_too(client: httpx.Client, port: int) -> None:
    assert client.get("/config", auth=("anna", "wrong")).status_code == 401
    for origin in ("https://evil.com", f"http://{NAME}:{port}", f"https://evil.{NAME}:{port}", "null"):
        refused = client.post("/studio/trash/mine", json={"ids": []}, headers={"Origin": origin})
        assert refused.status_code == 403, origin


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://studio.example.com", "https://studio.example.com"),
        ("https://Studio.Example.com:443/", "https://studio.example.com"),
        ("https://studio.example.com:8443", "https://studio.example.com:8443"),
    ],
)
def test_an_address_is_what_a_browser_shows(text: str, url: str) -> None:
    assert PublicUrl.parse(text).url == url


@pytest.mark.parametrize(
    "text", ["studio.example.com", "http://studio.example.com", "https://", "https://a@b", "https://a/b", "https://a:x"]
)
def test_what_is_no_address_of_a_proxy_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        PublicUrl.parse(text)


def test_a_public_address_asks_for_a_login_on_loopback_too() -> None:
    public = PublicUrl.parse(f"https://{NAME}")
    with pytest.raises(ConfigError, match="--login"):
        require_login("127.0.0.1", 7860, None, public)
    require_login("127.0.0.1", 7860, Login(*LOGIN), public)
    assert HostRule.listening_on("127.0.0.1", public).admits(NAME)
    assert not HostRule.listening_on("127.0.0.1", public).admits("evil.com")
