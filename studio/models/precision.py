"""What the precision “auto” means for a model on a device."""

from __future__ import annotations

from studio.config import AUTO, MIXED, Precision
from studio.models.memory import layer_widths

LEAST_WIDTH = 256  # of a layer: with the starter's 160 a step gains a tenth or less


def pick_precision(requested: Precision, model: str, device: str) -> Precision:
    """`requested`; or, where that is left to the studio, mixed precision if it gains on this CPU, else fp32.

    It gains where the products of a layer of `model` are measured to be faster in bf16, which takes half a second and
    is measured once a process. On a GPU it is fp32.
    """
    if requested != AUTO:
        return requested
    return MIXED if device == "cpu" and is_faster_mixed(model) else "fp32"


def is_faster_mixed(model: str) -> bool:
    """Whether this CPU trains `model` faster in mixed precision."""
    if (gain := products_gain(model)) is None:
        return False
    from studio.models.kernels.mixed import LEAST_GAIN

    return gain >= LEAST_GAIN


def products_gain(model: str) -> float | None:
    """How many times as fast the products of a layer of `model` are in bf16 here; None where casting costs the gain."""
    widths = layer_widths(model)
    if widths is None or widths[0] < LEAST_WIDTH:
        return None
    from studio.models.kernels.mixed import bf16_gain

    return bf16_gain(*widths)
