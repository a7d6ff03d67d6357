"""The studio served with a list of all its routes, ours and Gradio's, for tests that try every one of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from browsing import Served, served

# Starts the page as the command line does, and writes down which routes it has.
PROGRAM = """
import json, os, sys
from fastapi.openapi.utils import get_openapi
from studio.ui import app as page

make = page.create_app

def noted(*arguments, **named):
    made = make(*arguments, **named)
    gradio = made.routes[-1].app
    routes = [get_openapi(title="x", version="1", routes=each.routes) for each in (made, gradio)]
    with open(os.environ["ROUTES"], "w") as file:
        json.dump(routes, file)
    return made

page.create_app = noted
from studio.cli import main
main(sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class Route:
    """One route and method."""

    method: str  # upper case
    path: str  # with {parameters}
    query: tuple[str, ...]  # parameters that are required
    body: dict[str, Any] | None  # JSON schema, its references resolved
    kind: str  # media type of the body

    def at(self, values: dict[str, str]) -> str:
        """The address with `values` in the place of parameters."""
        return re.sub(r"{(\w+)(:path)?}", lambda found: values.get(found[1], "x"), self.path)


@contextmanager
def with_routes(root: Path, folder: Path, **environment: str) -> Iterator[tuple[Served, list[Route]]]:
    """The studio on `root`, and its routes; `folder` is for the list."""
    listed = folder / "routes.json"
    with served(root, program=("-c", PROGRAM), ROUTES=str(listed), **environment) as studio:
        yield studio, [route for described in json.loads(listed.read_text()) for route in _routes(described)]


def _routes(described: dict[str, Any]) -> Iterator[Route]:
    schemas = described.get("components", {}).get("schemas", {})
    for path, methods in described["paths"].items():
        for method, what in methods.items():
            query = [each["name"] for each in what.get("parameters", []) if each["in"] == "query" and each["required"]]
            kind, body = next(iter(what.get("requestBody", {}).get("content", {}).items()), ("", None))
            schema = _resolved(body.get("schema", {}), schemas) if body else None
            yield Route(method.upper(), path, tuple(query), schema, kind)


def _resolved(schema: Any, schemas: dict[str, Any], depth: int = 0) -> Any:
    if isinstance(schema, dict) and "$ref" in schema:
        return _resolved(schemas[schema["$ref"].rpartition("/")[2]], schemas, depth + 1) if depth < 8 else {}
    if isinstance(schema, dict):
        return {name: _resolved(value, schemas, depth) for name, value in schema.items()}
    return [_resolved(value, schemas, depth) for value in schema] if isinstance(schema, list) else schema


def on_disk(root: Path) -> dict[str, str]:
    """Every folder and file below `root`, with a hash of what it holds."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(root.rglob("*"))
    }


def status_of(client: httpx.Client, method: str, path: str, **options: Any) -> int:
    """The status of an answer, of which no more is read: some never end. 0 where none came: Gradio's streams."""
    patience = 60 if path.startswith("studio") else 3  # seconds
    try:
        with client.stream(method, path, timeout=patience, **options) as answer:
            return answer.status_code
    except httpx.TransportError:
        if path.startswith("studio"):
            raise
        return 0
