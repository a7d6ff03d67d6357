"""Packages of Node that a web page takes along."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.models.claims import read_object


@dataclass(frozen=True, slots=True)
class NodePackage:
    """A package by its name in Node's registry."""

    name: str
    version: str  # what is installed: 1.30 is the latest 1.30.x

    @property
    def folder(self) -> Path | None:
        """Where it is, sought as Node does: from the current folder upwards. None where it is not installed."""
        here = Path.cwd()
        found = (folder / "node_modules" / self.name for folder in (here, *here.parents))
        return next((folder for folder in found if (folder / "package.json").is_file()), None)

    @property
    def installed(self) -> str:
        """The version that is installed; empty where none is."""
        return str(read_object(self.folder / "package.json").get("version", "")) if self.folder else ""

    @property
    def install(self) -> str:
        """The line that installs it into the current folder."""
        return f"npm install {self.name}@{self.version}"


ONNX_RUNTIME_WEB = NodePackage("onnxruntime-web", "1.30")
