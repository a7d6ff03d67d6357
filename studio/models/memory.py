"""Trading time for memory while training."""

from __future__ import annotations

from studio.errors import ConfigError
from studio.models.base import Recogniser
from studio.models.encoder_decoder import base_of

# The reentrant kind silently loses gradients where a layer's input needs none.
_KIND = {"use_reentrant": False}


def recompute_activations(recogniser: Recogniser) -> None:
    """Make each layer forget its activations and compute them again for the gradients, which stay the same.

    Also called gradient checkpointing. Raises ConfigError where the network cannot do it.
    """
    base = base_of(recogniser.model)
    if hasattr(base, "activation_checkpointing_enable"):
        base.activation_checkpointing_enable(_KIND)
    elif hasattr(base, "gradient_checkpointing_enable"):  # the name before transformers 5.2x
        base.gradient_checkpointing_enable(_KIND)
    else:
        raise ConfigError(f"{recogniser.source} cannot recompute activations.", "Turn gradient checkpointing off.")
