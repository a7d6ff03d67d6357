"""`config.json`: the settings of a run, and all else that is needed to repeat it."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Self

from pydantic import ValidationError, model_validator

from studio.config import NOTHING, Precision, TrainConfig
from studio.data.manifest import Example
from studio.data.splits.assignment import test_set_hash
from studio.data.utterance import Split
from studio.errors import JobError
from studio.runs.folder import RunFolder, model_moved_along
from studio.version import __version__
from studio.workspace import write_atomically


class RunRecord(TrainConfig):
    """The settings as they were given, and what they became on this machine."""

    run: str
    created_at: str  # ISO 8601, UTC
    started_by: str  # the command that starts the same run again
    resolved_device: str
    resolved_threads: int
    resolved_precision: Precision
    versions: Mapping[str, str]
    test_set_hash: str = ""
    clips: Mapping[str, int] = {}  # in each split, as used
    seconds: Mapping[str, float] = {}  # of audio in each split, as used
    later: Sequence[str] = ()  # settings that came with a later version than that which began the run

    @model_validator(mode="before")
    @classmethod
    def _as_it_was(cls, values: Any) -> Any:
        """A run of an earlier version goes on as it began: without what there was not yet."""
        if not isinstance(values, dict):
            return values
        values = {"precision": "fp32"} | values  # the default, before there was “auto”
        values = {"resolved_precision": values["precision"]} | values
        if "later" in values:
            return values
        return (
            {"replay": NOTHING, "choose_strength": False}
            | values
            | {"later": [name for name in cls._settings() if name not in values]}
        )

    @classmethod
    def of(cls, config: TrainConfig, run: str, *, device: str, threads: int, precision: Precision) -> Self:
        """The record of a run that begins now."""
        return cls(
            **config.model_dump(),
            run=run,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            started_by=shlex.join(config.command()),
            resolved_device=device,
            resolved_threads=threads,
            resolved_precision=precision,
            versions=_versions(),
        )

    @classmethod
    def read(cls, folder: RunFolder) -> Self:
        """The record in `folder`. Raises JobError where there is none, or none that can be read."""
        try:
            found = cls.model_validate_json(folder.config.read_bytes())
            there = {"run": folder.name, "model": model_moved_along(folder, found.model)}  # renamed, or moved
            return found.model_copy(update=there)
        except FileNotFoundError:
            raise JobError(f"There is no run “{folder.name}”.", "`studio runs` lists them.") from None
        except ValidationError as error:
            if not folder.has_begun:
                raise JobError(f"The run “{folder.name}” has not begun.", "`studio runs` shows its state.") from error
            raise JobError(f"{folder.config} cannot be read.", "Start a new run.") from error

    def using(self, splits: Mapping[Split, Sequence[Example]]) -> Self:
        """The same record, of these clips."""
        return self.model_copy(
            update={
                "test_set_hash": test_set_hash(splits["test"]),
                "clips": {side: len(clips) for side, clips in splits.items()},
                "seconds": {side: round(sum(clip.duration for clip in clips), 3) for side, clips in splits.items()},
            }
        )

    @property
    def config(self) -> TrainConfig:
        """The settings alone."""
        return TrainConfig(**{name: getattr(self, name) for name in self._settings()})

    @staticmethod
    def _settings() -> list[str]:
        return list(TrainConfig.model_fields)

    def write(self, folder: RunFolder) -> None:
        """Replace `config.json`. Raises DiskError."""
        write_atomically(folder.config, self.model_dump_json(indent=2) + "\n")


def _versions() -> dict[str, str]:
    packages = {name: metadata.version(name) for name in ("torch", "transformers", "peft")}
    own = {"studio": __version__, "python": platform.python_version(), "system": platform.platform()}
    return own | packages
