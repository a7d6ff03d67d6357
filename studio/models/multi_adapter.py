"""Several adapters on one set of weights: all of them at once in one batch, where LoRA allows it, or one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from studio.errors import ConfigError
from studio.models.active_adapter import BASE, noted
from studio.models.adapters import same_trainable, without_adapter
from studio.models.base import Recogniser

if TYPE_CHECKING:
    import torch

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
    from peft.tuners.lora import Linear, LoraLayer

    def name_rows(_: Any, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        each = len(inputs[0]) // len(names)
        return inputs, named | {"adapter_names": [name for name in names for _ in range(each)]}

    layers: list[Any] = [layer for layer in recogniser.model.modules() if isinstance(layer, LoraLayer)]
    plain: list[Any] = [
        layer for layer in layers if isinstance(layer, Linear) and not getattr(layer, "lora_variant", None)
    ]
    hooks = [layer.register_forward_pre_hook(name_rows, with_kwargs=True) for layer in layers if layer not in plain]
    for layer in plain:
        layer.forward = _rows_of(layer, names)
    try:
        with noted(recogniser.model, names):
            yield
    finally:
        for layer in plain:
            del layer.forward
        for hook in hooks:
            hook.remove()


def _rows_of(layer: Any, names: Sequence[str]) -> Callable[[torch.Tensor], torch.Tensor]:
    """The product of a linear `layer`, whose rows use the adapters `names` in turn.

    peft has the same for rows in any order. By it both texts of 5 s took a fifth longer on Moonshine tiny.
    """
    from torch.nn.functional import linear

    parts = [
        (place, layer.lora_A[name].weight, layer.lora_B[name], layer.scaling[name])
        for place, name in enumerate(names)
        if name in layer.lora_A
    ]

    def product(given: torch.Tensor) -> torch.Tensor:
        is_one = len(given) > 1 and given.stride(0) == 0  # what the encoder gave once for all rows
        result: torch.Tensor = layer.base_layer(given[:1] if is_one else given)
        if is_one:
            result = result.repeat(len(given), *[1] * (result.ndim - 1))
        each = len(given) // len(names)
        for place, down, up, scale in parts:
            rows = slice(place * each, (place + 1) * each)
            added = linear(linear(given[rows].to(down.dtype), down), up.weight, up.bias)
            result[rows].add_(added.to(result.dtype), alpha=scale)
        return result

    return product


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
