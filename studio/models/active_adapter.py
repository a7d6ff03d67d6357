"""Which adapter a model reads with: peft's active one, or the one that its rows were given for a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

BASE = "__base__"  # peft's word for no adapter
_ROWS = "adapters_of_rows"  # on a PeftModel, while rows have adapters of their own


@contextmanager
def noted(model: Any, names: Sequence[str]) -> Iterator[None]:
    """Within the block the rows of a batch use the adapters `names` of `model`."""
    setattr(model, _ROWS, tuple(names))
    try:
        yield
    finally:
        delattr(model, _ROWS)


def in_use(model: Any) -> str:
    """The adapter's name; `BASE` where the model has none, where it is off, and where each row has its own."""
    if not hasattr(model, "peft_config"):
        return BASE
    rows = vars(model).get(_ROWS)
    if rows:
        return rows[0] if len(rows) == 1 else BASE
    from peft.tuners.tuners_utils import BaseTunerLayer

    layer = next((module for module in model.modules() if isinstance(module, BaseTunerLayer)), None)
    if layer is None:  # merged: an earlier peft leaves its settings on the network
        return BASE
    return BASE if layer.disable_adapters else str(model.active_adapter)
