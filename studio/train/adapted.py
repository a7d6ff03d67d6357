"""A base model with the adapter that a config asks for, ready to learn."""

from __future__ import annotations

from dataclasses import replace

from studio.config import TrainConfig
from studio.errors import ConfigError
from studio.models import Recogniser, adapters
from studio.models.memory import recompute_activations
from studio.models.word_times import LearnsFromWordTimes


def with_adapter(base: Recogniser, config: TrainConfig) -> Recogniser:
    """`base` with a fresh adapter, the same for the same seed. Raises ConfigError where the targets cannot be."""
    from studio.models.kernels.lora import fuse

    whole: tuple[str, ...] = ()
    if isinstance(base.family, LearnsFromWordTimes):
        whole = (base.family.embeddings,) if config.train_embeddings else ()
        base = replace(base, family=base.family.weighing(config.padding_weight))
    elif config.train_embeddings:
        raise ConfigError(f"train_embeddings: {config.model} does not have them trained.", "Only Kyutai's models do.")
    recogniser = adapters.attach(
        base, config.rank, config.alpha, config.dropout, config.targets, config.seed,
        dora=config.dora, rslora=config.rslora, whole=whole,
    )  # fmt: skip
    fuse(recogniser.model)
    if config.gradient_checkpointing:
        recompute_activations(recogniser)
    return recogniser
