"""A clip on its way out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.data.utterance import Utterance


@dataclass(frozen=True, slots=True)
class ExportClip:
    """A clip that goes out, with its file."""

    utterance: Utterance
    path: Path
