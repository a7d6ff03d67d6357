"""A base model with the adapter that a config asks for, ready to learn."""

from __future__ import annotations

from dataclasses import replace

from studio.config import TrainConfig
from studio.models import Recogniser, adapters
from studio.models.memory import recompute_activations
from studio.models.word_times import LearnsFromWordTimes


def with_adapter(base: Recogniser, config: TrainConfig) -> Recogniser:
    """`base` with a fresh adapter, the same for the same seed. Raises ConfigError where the targets cannot be."""
    if isinstance(base.family, LearnsFromWordTimes):
        base = replace(base, family=base.family.weighing(config.padding_weight))
    recogniser = adapters.attach(
        base, config.rank, config.alpha, config.dropout, config.targets, config.seed,
        dora=config.dora, rslora=config.rslora,
    )  # fmt: skip
    if config.gradient_checkpointing:
        recompute_activations(recogniser)
    return recogniser
