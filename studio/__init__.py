"""A studio for speech recognition: record, label, fine-tune, compare. Everything stays on this machine.

    from studio import Dataset, RunFolder, TrainConfig, Workspace, load, preset
    from studio.train.finetune import run
    from studio.transcribe import transcribe
    from studio.hear import hear
    from studio.evaluate import evaluate

The names below are imported when they are first used, so that `import studio` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.config import TrainConfig, preset
    from studio.data.manifest import Dataset
    from studio.data.utterance import Utterance
    from studio.errors import StudioError
    from studio.models import Clip, Hypothesis, Recogniser, load
    from studio.run_folder import RunFolder
    from studio.workspace import Workspace

__version__ = "0.1.0"
__all__ = [
    "Clip",
    "Dataset",
    "Hypothesis",
    "Recogniser",
    "RunFolder",
    "StudioError",
    "TrainConfig",
    "Utterance",
    "Workspace",
    "load",
    "preset",
]
_HOME = {
    "Clip": "studio.models",
    "Dataset": "studio.data.manifest",
    "Hypothesis": "studio.models",
    "Recogniser": "studio.models",
    "RunFolder": "studio.run_folder",
    "StudioError": "studio.errors",
    "TrainConfig": "studio.config",
    "Utterance": "studio.data.utterance",
    "Workspace": "studio.workspace",
    "load": "studio.models",
    "preset": "studio.config",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'studio' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
