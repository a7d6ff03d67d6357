"""Every route there is: what only looks changes nothing, and no body makes a server error."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import Served
from finished import finished
from sounds import recording
from tones import wav
from walked import Route, on_disk, status_of, with_routes

from studio.data import prompts
from studio.data.manifest import Dataset

REFERENCES = [f"order {number}" for number in range(12)]
ATTACKED = 150  # bodies in a run of all tests; $STUDIO_BODIES in the thorough one


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with everything that routes look at: clips, trash, prompts, terms, an upload, a run, its export."""
    root = tmp_path_factory.mktemp("workspace")
    dataset = Dataset.create(root / "recordings" / "mine")
    clips = [dataset.add(recording(number), text=f"order {number}") for number in range(3)]
    dataset.trash([clips[0].id])
    dataset.edit(clips[1].id, text="order one")
    prompts.save(dataset, prompts.own("hello there\n"))
    prompts.save_terms(dataset, ["Kubernetes"])
    finished(root, "tones-0001", REFERENCES, ["x"] * 12, REFERENCES, dataset="mine")
    adapter = root / "outputs" / "tones-0001" / "lora_adapter"
    adapter.mkdir(exist_ok=True)
    (adapter / "adapter_model.safetensors").write_bytes(b"x")
    return root


@pytest.fixture(scope="module")
def walked(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, list[Route]]]:
    with with_routes(root, tmp_path_factory.mktemp("routes")) as found:
        yield found


def named(root: Path) -> list[dict[str, str]]:
    """What parameters of a path may be: what is there, and what is not there yet."""
    clip = Dataset.open(root / "recordings" / "mine").utterances()[0].id
    known = {"name": "mine", "dataset": "mine", "clip_id": clip, "run": "tones-0001", "export": "x", "kind": "txt"}
    return [known, dict.fromkeys(known, "unseen") | {"id": "unseen"}]


def test_what_only_looks_changes_nothing(walked: tuple[Served, list[Route]], root: Path) -> None:
    studio, routes = walked
    assert len({route.path for route in routes if route.path.startswith("/studio")}) > 60
    assert any(route.path.startswith("/gradio_api") for route in routes)
    before, asked = on_disk(root), {route.at(names): route for route in routes for names in named(root)}
    with studio.client() as client:
        for path, route in sorted(asked.items()):
            for method in ("GET", "HEAD", "OPTIONS"):
                status = status_of(client, method, path.lstrip("/"), params=dict.fromkeys(route.query, "mine"))
                assert status < 500 or not path.startswith("/studio"), f"{method} {path}"
    assert on_disk(root) == before


# What clients send


def strange(schema: Any, chance: random.Random, depth: int = 0) -> Any:
    """A value for `schema`, now and then of another type, too large, or none that JSON has."""
    if depth > 5 or chance.random() < 0.25:
        return chance.choice(STRANGE)
    options = schema.get("anyOf") or schema.get("allOf") or schema.get("oneOf") or []
    if options:
        return strange(chance.choice(options), chance, depth + 1)
    if "enum" in schema or "const" in schema:
        return chance.choice([*schema.get("enum", [schema.get("const")]), "unseen"])
    kind = schema.get("type")
    if kind == "object":
        fields = {name: strange(each, chance, depth + 1) for name, each in schema.get("properties", {}).items()}
        extra = {"\ud83d": 1} if chance.random() < 0.05 else {}
        return {name: value for name, value in fields.items() if chance.random() < 0.9} | extra
    if kind == "array":
        return [strange(schema.get("items", {}), chance, depth + 1) for _ in range(chance.randrange(3))]
    plain = {"string": WORDS, "integer": NUMBERS, "number": NUMBERS, "boolean": [True, False]}
    return chance.choice(plain.get(kind, STRANGE))


WORDS = [
    "mine",
    "",
    "split = test",
    "duration < nan",
    "\ud83d",
    "x\udc00y",
    "\x00",
    "../../etc",
    "ä" * 300,
    "tones-0001",
    "echo",
]
NUMBERS = [0, 1, -1, 2**63, 10**400, 0.5, float("nan"), float("inf"), -float("inf"), 1e308]
STRANGE = [None, True, [], {}, "", "NaN", *WORDS, *NUMBERS, [[[]]], {"a": {"b": [float("nan")]}}, ["\udfff"]]


def attack(studio: Served, routes: list[Route], root: Path, count: int, seed: int) -> list[str]:
    """Send `count` strange bodies to our routes: which of them were server errors."""
    chance, wrong = random.Random(seed), list[str]()
    ours = [route for route in routes if route.path.startswith("/studio") and route.method != "GET"]
    # what starts work of minutes in another process is tried with names alone
    started = (
        "/merge",
        "/download",
        "/start",
        "/resume",
        "/prelabel",
        "/suspects",
        "/check/",
        "/hear",
        "/partial",
        "/live",
        "/prepare",
    )
    places = named(root)
    with studio.client() as client:
        for number in range(count):
            route = ours[number % len(ours)]
            names = places[1] if any(part in route.path for part in started) else chance.choice(places)
            path, body = route.at(names).lstrip("/"), strange(route.body or {}, chance)
            if "multipart" in route.kind or "urlencoded" in route.kind:
                fields = body if isinstance(body, dict) else {"text": body}
                files = {
                    name: ("a.wav", chance.choice([wav("order"), b"", b"RIFF"])) for name in ("audio", "sound", "files")
                }
                answer = client.request(route.method, path, data=as_form(fields), files=files)
            else:
                answer = client.request(
                    route.method, path, content=as_json(body), headers={"Content-Type": "application/json"}
                )
            if answer.status_code >= 500 and answer.status_code != 507:
                wrong.append(f"{answer.status_code} {route.method} {path}: {str(body)[:300]!r}")
    return wrong


def as_json(body: Any) -> bytes:
    import json

    return json.dumps(body).encode()


def as_form(fields: dict[str, Any]) -> dict[str, str]:
    return {
        name.encode("utf-8", "replace").decode(): str(value)[:1000].encode("utf-8", "replace").decode()
        for name, value in fields.items()
    }


def test_no_body_is_a_server_error(walked: tuple[Served, list[Route]], root: Path) -> None:
    assert attack(*walked, root, ATTACKED, seed=1) == []


def hostile(names: list[str]) -> list[bytes]:
    """Bodies that a route of Gradio's finds nothing in, or something else than it reaches for."""
    wrong = [[], None, 1, "x", {}, {"data": 1}, {"data": [[]]}, {"data": [], "fn_index": 99_999, "session_hash": "x"}]
    wrong += [{"data": [], "fn_index": -1}, {"data": [], "fn_index": 0, "session_hash": {}}, {"fn_index": "x"}]
    wrong += [{"data": None, "component_id": 99_999, "fn_name": name, "session_hash": "x"} for name in names]
    return [b"", b"{", b"[" * 30_000, b"\xff", *map(as_json, wrong)]


def shared_out(method: str, number: int) -> list[tuple[int, bytes]]:
    """A third of the hostile bodies for route `number`, each with its place: three routes get them all."""
    return list(enumerate(hostile(["__init__"])))[number % 3 :: 3] if method == "POST" else [(0, b"")]


NO_JSON = 4  # bodies at the beginning of `hostile`
PYTHONS_WORDS = re.compile(r"Error\b|Traceback|Input should|Field required|object at 0x|None|\bb'|<|positional|handler")


@pytest.mark.thorough
def test_no_body_makes_the_routes_of_libraries_fail_or_answer_in_their_words(
    walked: tuple[Served, list[Route]],
) -> None:
    studio, routes = walked
    theirs = [route for route in routes if not route.path.startswith("/studio") and "/mcp" not in route.path]
    functions = [{"api_name": name} for name in ("list_clips", "start_training", "unseen")]
    asked = [(route, names) for route in theirs for names in (functions if "{api_name}" in route.path else [{}])]
    assert len(asked) > 60
    wrong: list[str] = []
    with studio.client() as client:
        for number, (route, names) in enumerate(asked):
            for place, body in shared_out(route.method, number):
                for kind in ("application/json", "multipart/form-data")[: 2 if place < NO_JSON else 1]:
                    said = refused(client, route.method, route.at(names), body, kind)
                    if said and (said["status"] >= 500 or PYTHONS_WORDS.search(said["what"])):
                        wrong.append(f"{route.method} {route.at(names)} {body[:60]!r}: {said}")
    assert wrong == []


def refused(client: httpx.Client, method: str, path: str, body: bytes, kind: str) -> dict[str, Any]:
    """What of a refusal is shown: its status, and its sentence. Empty for an answer, of which some never end."""
    headers = {"Content-Type": kind}
    with client.stream(method, path.lstrip("/"), content=body, headers=headers, timeout=20) as answer:
        if answer.status_code < 400:
            return {}
        content = answer.read()
    if method == "HEAD":
        return {"status": answer.status_code, "what": ""}
    assert answer.headers["Content-Type"] == "application/json", f"{method} {path} {body[:60]!r}: {content[:200]!r}"
    return {"status": answer.status_code, "what": answer.json()["what"]}


@pytest.mark.thorough
@pytest.mark.timeout(0)
def test_thirteen_thousand_bodies_are_no_server_error(walked: tuple[Served, list[Route]], root: Path) -> None:
    assert attack(*walked, root, int(os.environ.get("STUDIO_BODIES", "13000")), seed=2) == []
