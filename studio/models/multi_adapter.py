"""Several adapters on one set of weights: all of them at once in one batch, where LoRA allows it, or one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from studio.errors import ConfigError
from studio.models.adapters import same_trainable, without_adapter
from studio.models.base import Recogniser

BASE = "__base__"  # peft's word for no adapter
MOST_ADAPTERS = 4  # besides the base: as many columns as a person can compare


def names_on(recogniser: Recogniser) -> list[str]:
    """The adapters on the model, by peft's names, in the order in which they were loaded."""
    return list(getattr(recogniser.model, "peft_config", {}))


def check_number(adapters: Sequence[Any]) -> None:
    """Raise ConfigError where there are more adapters than can be compared."""
    if len(adapters) > MOST_ADAPTERS:
        raise ConfigError(
            f"{len(adapters)} adapters were given; {MOST_ADAPTERS} are compared at most.", "Leave some out."
        )


def can_mix(recogniser: Recogniser) -> bool:
    """Whether each row of a batch can have an adapter of its own: plain LoRA can, not DoRA or another kind."""
    from peft import LoraConfig, PeftModel

    if not isinstance(recogniser.model, PeftModel):
        return False
    configs = recogniser.model.peft_config.values()
    return all(isinstance(config, LoraConfig) and not _reaches_further(config) for config in configs)


def _reaches_further(config: Any) -> bool:
    """Whether an adapter, made elsewhere perhaps, is more than LoRA's two matrices on each layer."""
    return config.use_dora or config.bias != "none" or bool(config.modules_to_save or config.trainable_token_indices)


@contextmanager
def in_rows(recogniser: Recogniser, names: Sequence[str]) -> Iterator[None]:
    """Within the block the rows of a batch use the adapters `names`, as many rows in turn with each.

    `BASE` is a name too. Only where the recogniser `can_mix`. Layers without an adapter may be given any batch.
    """
    from peft.tuners.lora import LoraLayer

    def name_rows(_: Any, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        each = len(inputs[0]) // len(names)
        return inputs, named | {"adapter_names": [name for name in names for _ in range(each)]}

    layers = [layer for layer in recogniser.model.modules() if isinstance(layer, LoraLayer)]
    hooks = [layer.register_forward_pre_hook(name_rows, with_kwargs=True) for layer in layers]  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def alone(recogniser: Recogniser, name: str) -> Iterator[None]:
    """Within the block the model uses the adapter `name`, or none; then as before."""
    if can_mix(recogniser):  # a millisecond, where switching adapters on and off takes 10 to 16
        with in_rows(recogniser, [name]):
            yield
        return
    if name == BASE:
        with without_adapter(recogniser):
            yield
        return
    active = recogniser.model.active_adapter
    with same_trainable(recogniser):
        recogniser.model.set_adapter(name)
        try:
            yield
        finally:
            recogniser.model.set_adapter(active)
