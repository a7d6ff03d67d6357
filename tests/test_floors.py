"""The house stands on its floors: imports point down, and heavy ones happen late."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "studio"

FLOORS = (  # from the ground up: a room imports from those above it in this list
    "errors",
    "progress",
    "faults",
    "quiet",
    "version",
    "workspace",
    "config",
    "text",
    "typing",
    "audio",
    "starter",
    "data",
    "runs",
    "models",
    "evaluation",
    "reports",
    "train",
    "inference",
    "typing_starter",
    "export",
    "api",
    "cluster",
    "web",
    "serve",
    "ui",
    "cli",
    "__main__",
    "__init__",
)
HEAVY = {
    "torch",
    "transformers",
    "peft",
    "librosa",
    "gradio",
    "pandas",
    "jiwer",
    "accelerate",
    "sounddevice",
    "scipy",
    "ray",
    "av",
}
IMPORTED_LATE = {"starter", "typing_starter"}  # with all that is heavy in it
KERNELS = PACKAGE / "models" / "kernels"  # the same
TRACEABLE = set((PACKAGE / "export").glob("traceable*.py"))  # the same


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor_of(room: str) -> int:
    return FLOORS.index(room)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, *, top_level: bool) -> Iterator[str]:
    """Dotted names that `path` imports: at the top level, outside `if TYPE_CHECKING`, or anywhere."""
    tree = parsed(path)
    nodes: list[ast.stmt] = tree.body if top_level else [n for n in ast.walk(tree) if isinstance(n, ast.stmt)]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_every_module_imports_only_from_its_own_floor_or_below() -> None:
    for path in modules():
        height = floor_of(room_of(path))
        for name in imports(path, top_level=False):
            if name.startswith("studio."):
                room = name.split(".")[1]
                if (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file():
                    assert floor_of(room) <= height, f"{path.relative_to(PACKAGE)} reaches up to {name}"


def test_no_modules_import_each_other_in_a_circle_not_even_late_or_for_types_alone() -> None:
    """A file that needs what stands above it is two files: the circle names where to cut."""
    names = {path: ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in modules()}
    named = {name.removesuffix(".__init__"): path for path, name in names.items()}
    graph: dict[str, set[str]] = {}
    for name, path in named.items():
        wanted = {each if each in named else each.rpartition(".")[0] for each in imports(path, top_level=False)}
        graph[name] = wanted & named.keys() - {name}
    TopologicalSorter(graph).prepare()  # CycleError lists the circle


def test_heavy_packages_are_imported_late_and_gradio_only_by_the_page() -> None:
    for path in modules():
        room = room_of(path)
        anywhere = {name.split(".")[0] for name in imports(path, top_level=False)}
        at_top = {name.split(".")[0] for name in imports(path, top_level=True)}
        assert room == "ui" or "gradio" not in anywhere, path
        is_late = room in IMPORTED_LATE or path.is_relative_to(KERNELS) or path in TRACEABLE
        allowed = {"gradio"} if room == "ui" else HEAVY if is_late else set()
        assert not (at_top & HEAVY) - allowed, path


def test_rooms_that_start_processes_never_import_the_trainer() -> None:
    for path in modules():
        if room_of(path) in {"runs", "ui"}:
            assert not any(name.startswith("studio.train") for name in imports(path, top_level=False)), path


@pytest.mark.parametrize(
    "room", ["studio", "studio.cli", "studio.runs.control", "studio.models", "studio.data.manifest"]
)
def test_importing_a_core_room_loads_nothing_heavy(room: str) -> None:
    code = f"import sys, {room}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []


def test_every_public_name_of_the_package_has_a_docstring() -> None:
    bare = []
    for path in modules():
        for node in parsed(path).body:
            is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if is_definition and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}")
    assert bare == []


def test_no_function_is_longer_than_a_screen() -> None:
    long = []
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 50:
                    long.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name} has {lines} lines")
    assert long == []


def test_only_the_command_line_asks_where_it_is() -> None:
    """The library is given its workspace."""
    asking = {room_of(path) for path in modules() if "Workspace.here()" in path.read_text(encoding="utf-8")}
    assert asking == {"cli"}
