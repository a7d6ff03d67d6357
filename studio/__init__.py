"""A studio for speech recognition: record, label, fine-tune, compare. Everything stays on this machine.

    from studio import Dataset, Workspace, fine_tune, load, preset

    dataset = Dataset.open(Workspace(Path.cwd()).dataset("my-voice"))
    run = fine_tune(dataset, preset("quick", dataset="my-voice"), on_event=print)

`studio/docs/python.md` shows the rest: evaluate, transcribe, export, tables.

The names below are imported when they are first used, so that `import studio` costs nothing.

A room imports only from the rooms above it in this list (`tests/test_floors.py`):

    errors, progress, faults, quiet, workspace, config     what everything needs
    text         strings: compared, scored, rewritten
    typing       typed text as strings: keyboards, typos, edits, scores
    audio        sound as samples: read, recorded, measured, trimmed
    starter      the bundled model and its small world
    data         datasets: manifest, store, splits, view, formats, prompts, quality, labels
    runs         a run's folder, its log of events, its process, the queue
    models       one file a family; adapters, memory, what a folder claims
    evaluation   scores, significance, failure modes, verdicts
    reports      what runs came to, as pages and tables
    train        the fine-tuning itself
    inference    transcribe, compare, long recordings, labels by machine
    typing_starter  the bundled model that corrects typing, and its recipe
    export       a run as other programs load it
    api          the same steps for a notebook, on objects
    cluster      a run on Ray that looks like one at home
    web          what every server needs: gates, limits, faults
    serve        a model for other programs
    ui           the page
    cli          the command line
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from studio.version import __version__ as __version__

if TYPE_CHECKING:
    from studio.api import export_model, export_to, fine_tune, load_run, transcribe
    from studio.config import TrainConfig, preset
    from studio.data.manifest import Dataset
    from studio.data.pair import Pair
    from studio.data.utterance import Utterance
    from studio.errors import StudioError
    from studio.evaluation.evaluate import evaluate
    from studio.models import Clip, Hypothesis, Recogniser, load
    from studio.reports.result import result_of
    from studio.runs.folder import RunFolder
    from studio.workspace import Workspace

__all__ = [
    "Clip",
    "Dataset",
    "Hypothesis",
    "Pair",
    "Recogniser",
    "RunFolder",
    "StudioError",
    "TrainConfig",
    "Utterance",
    "Workspace",
    "evaluate",
    "export_model",
    "export_to",
    "fine_tune",
    "load",
    "load_run",
    "preset",
    "result_of",
    "transcribe",
]
_HOME = {
    "Clip": "studio.models",
    "Dataset": "studio.data.manifest",
    "Hypothesis": "studio.models",
    "Pair": "studio.data.pair",
    "Recogniser": "studio.models",
    "RunFolder": "studio.runs.folder",
    "StudioError": "studio.errors",
    "TrainConfig": "studio.config",
    "Utterance": "studio.data.utterance",
    "Workspace": "studio.workspace",
    "evaluate": "studio.evaluation.evaluate",
    "export_model": "studio.api",
    "export_to": "studio.api",
    "fine_tune": "studio.api",
    "load": "studio.models",
    "load_run": "studio.api",
    "preset": "studio.config",
    "result_of": "studio.reports.result",
    "transcribe": "studio.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'studio' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
