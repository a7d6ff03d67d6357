"""A base model with the adapter that a config asks for, ready to learn."""

from __future__ import annotations

from studio.config import TrainConfig
from studio.models import Recogniser, adapters
from studio.models.memory import recompute_activations


def with_adapter(base: Recogniser, config: TrainConfig) -> Recogniser:
    """`base` with a fresh adapter, the same for the same seed. Raises ConfigError where the targets cannot be."""
    recogniser = adapters.attach(
        base, config.rank, config.alpha, config.dropout, config.targets, config.seed,
        dora=config.dora, rslora=config.rslora,
    )  # fmt: skip
    if config.gradient_checkpointing:
        recompute_activations(recogniser)
    return recogniser
