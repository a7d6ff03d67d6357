"""Frames of one length that a family fills with silence after each clip: shorter ones are faster to learn from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from studio.config import TrainConfig
from studio.errors import ConfigError
from studio.models.base import Family, Recogniser


@runtime_checkable
class FillsFrames(Protocol):
    """A family that fills each clip with silence up to a frame of one length."""

    def with_short_frames(self) -> Any:
        """The family with less silence after each clip."""
        ...


def check(family: Family, config: TrainConfig) -> None:
    """Raise ConfigError where `config` asks for shorter frames of a family that has none."""
    if config.short_frames and not isinstance(family, FillsFrames):
        raise ConfigError(
            f"short_frames: {config.model} processes each clip at its own length.", "Only Whisper models fill 30 s."
        )


def with_short_frames(recogniser: Recogniser) -> Recogniser:
    """`recogniser` with short frames, where its family has them; else as it is."""
    family = recogniser.family
    return replace(recogniser, family=family.with_short_frames()) if isinstance(family, FillsFrames) else recogniser


def for_learning(recogniser: Recogniser, config: TrainConfig) -> Recogniser:
    """`recogniser` as it encodes the clips that a run learns from. What measures the run has whole frames."""
    return with_short_frames(recogniser) if config.short_frames else recogniser
