"""Layers that are trained whole along with an adapter's small matrices, as peft's `modules_to_save`: embeddings.

The copy that is trained is in fp32, whatever the base's precision: steps as small as fine-tuning's are lost in bf16.
"""

from __future__ import annotations

from typing import Any


def trained_whole(model: Any) -> list[Any]:
    """peft's wrappers of such layers on `model`."""
    from peft.utils.other import ModulesToSaveWrapper

    return [module for module in model.modules() if isinstance(module, ModulesToSaveWrapper)]


def train_in_fp32(model: Any) -> None:
    """Let the copies be fp32, and give what they give in the base's precision."""
    for wrapper in trained_whole(model):
        dtype = wrapper.original_module.weight.dtype
        for copied in wrapper.modules_to_save.values():
            copied.float()
            copied.register_forward_hook(lambda _module, _given, output, dtype=dtype: output.to(dtype))


def unloaded(model: Any) -> Any:
    """The base model of a PeftModel as it was: peft's own `unload` would leave the trained copies in it."""
    originals = {name: module.original_module for name, module in _named(model)}
    base = model.unload()
    for name, original in originals.items():
        parent, _, last = name.rpartition(".")
        setattr(base.get_submodule(parent), last, original)
    return base


def _named(model: Any) -> list[tuple[str, Any]]:
    """The wrappers by their layer's name in the base model."""
    wrappers = {id(wrapper) for wrapper in trained_whole(model)}
    return [(name, module) for name, module in model.get_base_model().named_modules() if id(module) in wrappers]
