"""Write studio/ui/assets/server.d.ts, what the server sends to the page's scripts as types: `make types`.

The types are those of the Python models, so `make check` finds a script that reads a field that the server does not
send. Where two models share a name, the name of the module comes first.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import indent
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from studio.runs import events
from studio.ui import (
    exporting,
    exporting_runs,
    hearing,
    heldout,
    labels,
    learning,
    live,
    longfiles,
    sidebar,
    train,
    train_form,
    turn_ends,
    typing,
)

FILE = Path(__file__).resolve().parent.parent / "studio/ui/assets/server.d.ts"
HEAD = "// What the server sends, as the Python models have it. Written by `make types`; a test compares the two.\n"
EVENTS: tuple[type[BaseModel], ...] = events.Event.__origin__.__args__  # type: ignore[attr-defined]
ANSWERS: tuple[type[BaseModel], ...] = (
    exporting.Exports,
    exporting_runs.RunExports,
    hearing.UtteranceHypotheses,
    hearing.Kept,
    hearing.LiveTurnHeard,
    hearing.TestableRun,
    heldout.ClipPage,
    heldout.HeldOut,
    heldout.VerdictSummary,
    labels.LabelChanges,
    labels.LabelOverview,
    learning.Learning,
    live.Going,
    longfiles.LongFileRequest,
    sidebar.Overview,
    train.RunStarted,
    train_form.Form,
    turn_ends.TurnEnds,
    typing.Mended,
    typing.PairPage,
)
WIDTH = 118  # of a line, before it is indented
PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
Schema = dict[str, Any]


def text() -> str:
    """The whole file."""
    models = [(model, "serialization") for model in (*EVENTS, *ANSWERS)]
    found = models_json_schema(models, ref_template="{model}")[1]["$defs"]  # type: ignore[arg-type]
    parts = [declared(_name(key), schema) for key, schema in sorted(found.items())]
    union = "\n".join(f"  | {_name(_key(event, found))}" for event in EVENTS)
    body = "\n".join(parts) + f"\n/** A line of a run's log. */\ntype RunEvent =\n{union};\n"
    return f"{HEAD}\ndeclare namespace Server {{\n{indent(body, '  ')}}}\n"


def declared(name: str, schema: Schema) -> str:
    """`schema` as a type of TypeScript: an interface where it has fields."""
    if "properties" not in schema:
        return f"type {name} = {_type(schema)};\n"
    fields = "".join(_field(key, _type(field)) for key, field in schema["properties"].items())
    return f"interface {name} {{\n{fields}}}\n"


def _field(name: str, kind: str) -> str:
    line = f"  {name}: {kind};\n"
    if len(line) < WIDTH:
        return line
    return f"  {name}:\n" + "".join(f"    | {choice}\n" for choice in kind.split(" | "))[:-1] + ";\n"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return _name(schema["$ref"])
    if "const" in schema or "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema or "oneOf" in schema:
        return " | ".join(dict.fromkeys(map(_type, schema.get("anyOf") or schema["oneOf"])))
    if schema.get("type") == "array":
        return _list(schema)
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'any'}>"
    return PLAIN.get(schema.get("type", ""), "any")


def _list(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(map(_type, schema['prefixItems']))}]"
    item = _type(schema.get("items", {}))
    return f"({item})[]" if "|" in item else f"{item}[]"


def _key(model: type[BaseModel], found: Schema) -> str:
    """The key of `model` in `found`: its name, or its module's too if another one has it."""
    long = f"{model.__module__}.{model.__qualname__}".replace(".", "__")
    return model.__name__ if model.__name__ in found else long


def _name(key: str) -> str:
    """`studio__ui__longfiles__About` as `LongfilesAbout`."""
    words = re.split(r"_+", "_".join(key.split("__")[-2:]))
    return "".join(word[:1].upper() + word[1:] for word in words)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
