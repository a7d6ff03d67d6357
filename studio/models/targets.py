"""Which layers a setting of `targets` adapts, and whether they can be: of a model in memory, or known by its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from studio.errors import ConfigError
from studio.models.base import Family
from studio.models.layers import matching

EARLIER_NAMES: Mapping[str, str] = MappingProxyType({"attention": "deep", "all": "full", "deep-mlp": "full"})
"""What presets of targets were called in runs that were begun by an earlier version."""

Kind = Literal["linear", "shared", "other"]  # shared: its weights are those of another layer too


def pattern_of(family: Family, targets: str) -> str:
    """The regular expression that `targets` means: a preset of `family`, or itself."""
    return family.lora_targets.get(EARLIER_NAMES.get(targets, targets), targets)


def check_targets(
    family: Family, source: str, targets: str, layers: Sequence[str], kind_of: Callable[[str], Kind]
) -> None:
    """Raise ConfigError where `targets` names none of the `layers` of the model `source`, or one without adapters."""
    presets = f"Presets of this family: {', '.join(family.lora_targets)}."
    try:
        found = matching([pattern_of(family, targets)], layers)
    except ValueError as error:
        raise ConfigError(f"targets: “{targets}” {error}.", presets) from error
    if not found:
        raise ConfigError(f"targets: “{targets}” matches no layer of {source} that can be adapted.", presets)
    for name in found:
        if re.fullmatch(family.below_adapters, name):
            raise ConfigError(f"targets: {name} is computed once per clip, below every adapter.", presets)
        kind = kind_of(name)
        if kind == "shared":
            raise ConfigError(
                f"targets: {name} shares its weights with another layer; an adapter on it could not be merged.", presets
            )
        if kind != "linear":
            raise ConfigError(f"targets: {name} is not a linear layer.", presets)
