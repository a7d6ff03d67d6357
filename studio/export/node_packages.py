"""Packages of Node that a web page takes along; they are installed beside the recordings."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from studio.models.claims import read_object
from studio.workspace import Workspace


@dataclass(frozen=True, slots=True)
class NodePackage:
    """A package by its name in Node's registry."""

    name: str
    version: str  # what is installed: 1.30 is the latest 1.30.x

    @property
    def folder(self) -> Path | None:
        """Where it is, sought as Node does: from the workspace upwards. None where it is not installed."""
        root = Workspace.here().root
        found = (folder / "node_modules" / self.name for folder in (root, *root.parents))
        return next((folder for folder in found if (folder / "package.json").is_file()), None)

    @property
    def installed(self) -> str:
        """The version that is installed; empty where none is."""
        return str(read_object(self.folder / "package.json").get("version", "")) if self.folder else ""

    @property
    def install(self) -> str:
        """The line that installs it into the workspace."""
        return f"npm install --prefix {shlex.quote(str(Workspace.here().root))} {self.name}@{self.version}"


ONNX_RUNTIME_WEB = NodePackage("onnxruntime-web", "1.30")
