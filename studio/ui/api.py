"""The same functions for other programs: named endpoints of the page (`gradio_client`), and tools over MCP.

Everything is named by the ids that these functions return; nothing takes a path, and nothing returns one.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from inspect import signature
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.events import api
from pydantic import ValidationError, validate_call

from studio import config
from studio.audio.recording import Recording
from studio.data.manifest import Dataset
from studio.data.splits.assignment import trainable
from studio.data.utterance import checked_label
from studio.data.view.query import Selection
from studio.errors import DataError, DeviceError, StudioError
from studio.faults import first_fault
from studio.inference import worker
from studio.models import before_start
from studio.models.catalogue import default_model
from studio.models.key_terms import DEFAULT_BOOST
from studio.reports import answers, comparison
from studio.reports.result import result_of
from studio.runs import control, listing, queue
from studio.ui import exporting, hearing, sidebar, train_form
from studio.ui.record import keep
from studio.workspace import Workspace

MOST_CLIPS = 200  # in one answer
_KEPT_BACK = {"config", "versions", "train_command", "report_command"}  # of a result: long, or of this machine alone

P = ParamSpec("P")
R = TypeVar("R")


def require_mcp() -> None:
    """Raise DeviceError where the package that speaks MCP is not installed."""
    if find_spec("mcp") is None:
        raise DeviceError("The package for MCP is not installed.", "pip install 'speech-studio[mcp]'")


def offer(workspace: Workspace) -> None:
    """Enter the functions into the Gradio app that is being built."""
    for function in (*_lists(workspace), *_readers(workspace), *_starters(workspace), *_enders(workspace)):
        # out of the queue: MCP would go through it by a request of its own to this server, without the person's login
        api(_in_words(function), api_name=function.__name__, queue=False)


def _lists(workspace: Workspace) -> tuple[Callable[..., Any], ...]:
    def list_datasets() -> list[dict[str, Any]]:
        """List the datasets: name, number of clips in each split, and seconds of sound."""
        datasets = [Dataset.open(workspace.dataset(name)) for name in workspace.datasets()]
        return [
            {"dataset": dataset.name, "clips": dict(dataset.counts()), "seconds": dataset.seconds()}
            for dataset in datasets
        ]

    def list_clips(dataset: str, query: str = "", first: int = 0) -> list[dict[str, Any]]:
        """List clips of a dataset with their labels, 200 at most.

        Args:
            dataset: a name that list_datasets gives
            query: what the page's Review tab takes, such as “split = test and duration < 3”; empty for all
            first: how many clips to leave out
        """
        opened = _existing(workspace, dataset)
        clips = opened.select(Selection(ids=None, query=query))
        shown = clips[max(first, 0) : max(first, 0) + MOST_CLIPS]
        return [clip.model_dump(include={"id", "text", "duration", "split", "speaker"}) for clip in shown]

    def list_runs() -> list[dict[str, Any]]:
        """List the runs, newest first: status, base model, dataset, and word error rates before and after (0 to 1)."""
        return [run.model_dump() for run in listing.runs(workspace)]

    return list_datasets, list_clips, list_runs


def _readers(workspace: Workspace) -> tuple[Callable[..., Any], ...]:
    def transcribe_clip(dataset: str, clip: str, run: str = "", model: str = "") -> dict[str, Any]:
        """Read one clip: what the base model writes, and with a run what the fine-tuned one writes.

        Args:
            dataset: a name that list_datasets gives
            clip: an id that list_clips gives
            run: a finished run that list_runs gives; empty for the base model alone
            model: without a run, “starter” or the Hub id of a model on this disk; empty: the page's first choice
        """
        opened = _existing(workspace, dataset)
        row = opened.clip(clip)
        sound = opened.clip_path(row).read_bytes()
        reader = hearing.choose(workspace, [run] if run else [], model or default_model())
        heard = hearing.utterance(worker.shared(), sound, reader, [], DEFAULT_BOOST)
        before, *after = [column.plain.model_dump(mode="json") for column in heard.columns]
        return {"reference": row.text, "before": before, "after": after[0] if after else None, "notes": heard.notes}

    def report_run(run: str) -> dict[str, Any]:
        """Say whether a run is better, how sure that is, what it got worse at and what to do next, with all figures.

        Args:
            run: a finished run that list_runs gives
        """
        result = result_of(listing.existing(workspace, run))
        found = [answer.model_dump() for answer in answers.answers(result)]
        return {"answers": found, "alarm": result.alarm, **result.model_dump(mode="json", exclude=_KEPT_BACK)}

    def compare_runs(runs: list[str]) -> dict[str, Any]:
        """Lay runs side by side: their figures, and of their settings only what differs.

        Args:
            runs: two or more that list_runs gives; the others are measured against the first
        """
        found = comparison.compare_runs([listing.existing(workspace, run) for run in runs], None)
        return {"headline": comparison.headline(found), **found.model_dump(mode="json")}

    return transcribe_clip, report_run, compare_runs


def _starters(workspace: Workspace) -> tuple[Callable[..., Any], ...]:
    def add_clip(dataset: str, sound: str, text: str, prompt: str = "") -> dict[str, Any]:
        """Save one recording with its label. The same recording saved again changes nothing.

        Args:
            dataset: a name that list_datasets gives, or a new one
            sound: a sound file such as WAV or FLAC, at most a minute long, in base64
            text: the label: what is said, as the model should write it
            prompt: the sentence that was to be read, if any
        """
        folder, label = workspace.dataset(dataset), checked_label(text)
        recording = Recording.of(_decoded(sound))  # first: what is refused makes no dataset
        clip, _ = keep(Dataset.create(folder), recording, label, prompt or label, replaces="")
        return clip.model_dump(include={"id", "text", "duration", "split"})

    def start_training(dataset: str, model: str = "", preset: str = "balanced") -> dict[str, Any]:
        """Start to fine-tune, or wait in the queue while another run is active; list_runs shows its progress.

        Args:
            dataset: a name that list_datasets gives
            model: “starter” or the Hub id of a model on this disk; empty: the page's first choice
            preset: quick, balanced or thorough
        """
        clips = trainable(_existing(workspace, dataset))
        model = model or default_model()
        targets = before_start.usual_targets(model, sidebar.is_on_cpu)
        settings = config.preset(preset, dataset=dataset, model=model, targets=targets)
        plan = train_form.plan(workspace, settings.model_dump())
        notes = before_start.check(plan, clips)
        place = queue.submit(workspace, plan)
        return {"run": place.folder.name, "position": place.position, "notes": notes}

    return add_clip, start_training


def _enders(workspace: Workspace) -> tuple[Callable[..., Any], ...]:
    def stop_training(run: str, discard: bool = False) -> dict[str, Any]:
        """Stop a run after its current step, and save what it learnt; its state, as list_runs gives it.

        Args:
            run: a run that list_runs gives
            discard: throw away what was learnt instead
        """
        folder = listing.existing(workspace, run)
        control.stop(folder, "discard" if discard else "save")
        return control.state(folder).model_dump(mode="json")

    def merge_run(run: str) -> dict[str, Any]:
        """Merge a finished run into a model that needs no adapter; called again it returns the progress.

        Args:
            run: a finished run that list_runs gives
        """
        folder = hearing.finished(workspace, run)
        if exporting.exports(folder).merge.status in ("none", "stale", "failed"):
            exporting.start_merge(workspace, folder)
        return exporting.exports(folder).merge.model_dump(include={"status", "stage", "trouble"})

    return stop_training, merge_run


def _existing(workspace: Workspace, name: str) -> Dataset:
    folder = workspace.dataset(name)
    if name not in workspace.datasets():
        raise DataError(f"There is no dataset “{name}”.", "list_datasets gives those that there are.")
    return Dataset.open(folder)


def _decoded(sound: str) -> bytes:
    try:
        return b64decode("".join(sound.split()), validate=True)
    except ValueError as error:
        raise DataError("The sound is not base64.", "Send a whole sound file as base64 text.") from error


def _in_words(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, with its errors and wrong arguments sent to the client as sentences, without a traceback here."""
    checked: Callable[..., R] = validate_call(function)
    names = signature(function)

    @wraps(function)
    def answered(*args: P.args, **named: P.kwargs) -> R:
        try:
            return checked(**names.bind(*args, **named).arguments)
        except ValidationError as error:
            raise gr.Error(f"{first_fault(error)}.", print_exception=False) from error
        except StudioError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return answered
