"""How strongly an adapter acts: its change of the weights, times a factor between 0, the base model, and 1, as trained.

In between lies the straight line from one model to the other, where often more of what the base knew is left for the
same gain (WiSE-FT, Wortsman et al. 2021, arXiv:2109.01903). An adapter keeps its strength as the `lora_alpha` of its
settings, so that whatever loads it takes it; `trained_alpha`, in the note of its base, is that of strength 1.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.errors import ConfigError, ModelError
from studio.models.adapters import BASE_NOTE, TRAINED_ALPHA, base_note
from studio.models.base import Recogniser
from studio.models.claims import check_adapter, is_alpha, read_object
from studio.workspace import disk_errors, write_atomically

WEAKER = (0.75, 0.5)  # what is tried after training
WEAKER_TYPING = (0.75, 0.5, 0.25, 0.1)  # 0 is no adapter, and could not be trained on
MEASURED_BEFORE = "The run's figures were measured before this change; studio evaluate scores it again."


def can_change(recogniser: Recogniser) -> bool:
    """Whether the adapter on the model has a strength: of DoRA the lengths of the weights would stay as trained.

    So would layers that were trained whole.
    """
    configs = getattr(recogniser.model, "peft_config", {}).values()
    fixed = [getattr(config, "use_dora", False) or getattr(config, "modules_to_save", None) for config in configs]
    return bool(fixed) and not any(fixed)


@contextmanager
def scaled(recogniser: Recogniser, factor: float) -> Iterator[None]:
    """Within the block every adapter on the model acts `factor` times as strongly."""
    if factor == 1 or not can_change(recogniser):
        yield
        return
    from peft.helpers import rescale_adapter_scale

    with rescale_adapter_scale(recogniser.model, float(factor)):
        yield


def keep(recogniser: Recogniser, strength: float) -> None:
    """From now on the only adapter, “default”, acts with `strength`, and is saved so."""
    from peft.tuners.lora import LoraLayer

    config: Any = recogniser.model.peft_config["default"]
    config.lora_alpha *= strength
    for layer in recogniser.model.modules():
        if isinstance(layer, LoraLayer):
            layer.scale_layer(strength)


def strength_of(adapter: Path) -> float:
    """The strength that the adapter in the folder `adapter` has now. Raises ModelError as `change` does."""
    trained, now = base_note(adapter).get(TRAINED_ALPHA), _changeable(adapter).get("lora_alpha")
    return now / trained if is_alpha(now) and is_alpha(trained) else 1.0


def change(adapter: Path, strength: float) -> None:
    """Give the adapter in the folder `adapter` another `strength`, above 0 and at most 1.

    Raises ConfigError, ModelError (no adapter, or one whose strength cannot be changed), DiskError.
    """
    if not 0 < strength <= 1:
        raise ConfigError(f"A strength of {strength:g} is impossible.", "Give a number above 0, and 1 at most.")
    check_adapter(adapter)
    settings = _changeable(adapter)
    note, alpha = base_note(adapter), settings.get("lora_alpha")
    if not is_alpha(alpha):
        raise ModelError(f"{adapter} does not say how strong it is: lora_alpha is missing.", "Train it again.")
    if not is_alpha(note.get(TRAINED_ALPHA)):  # one that an earlier version saved is as it was trained
        write_atomically(adapter / BASE_NOTE, json.dumps(note | {TRAINED_ALPHA: alpha}, indent=2) + "\n")
        note[TRAINED_ALPHA] = alpha
    settings["lora_alpha"] = note[TRAINED_ALPHA] * strength
    write_atomically(adapter / "adapter_config.json", json.dumps(settings, indent=2, sort_keys=True) + "\n")
    with disk_errors(adapter):
        os.utime(adapter / "adapter_model.safetensors")  # by this others see that what they loaded is no longer it


def _changeable(adapter: Path) -> dict[str, Any]:
    """The settings of an adapter whose strength can be changed."""
    settings = read_object(adapter / "adapter_config.json")
    if settings.get("use_dora"):
        raise ModelError("This adapter uses DoRA: its strength cannot be changed.", "Train it again without DoRA.")
    if settings.get("modules_to_save"):
        raise ModelError(
            "This adapter trained whole layers too: its strength cannot be changed.", "Train it again without them."
        )
    return settings
