"""Reading and writing transformers' model folders: local files and safetensors only, never code from a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError, StudioError
from studio.models.catalogue import WEIGHTS
from studio.models.claims import check_processor, check_shapes, no_processor, unreadable

if TYPE_CHECKING:
    import torch

_AGAIN = "Fetch or copy the model again, whole."


def load_network(name: str, folder: Path, dtype: torch.dtype) -> Any:
    """transformers' class `name` with the weights in `folder`, on the CPU.

    Raises ModelError where the weights are absent, torn, not safetensors, or of another shape.
    """
    import transformers

    from studio.models.kernels.linear import quicken

    check_weights(folder)
    try:
        with without_bars():
            kind = getattr(transformers, name)
            _check_shapes(kind, folder)
            model, info = kind.from_pretrained(
                folder, dtype=dtype, local_files_only=True, use_safetensors=True, attn_implementation="sdpa",
                output_loading_info=True,
            )  # fmt: skip
    except (StudioError, MemoryError):
        raise
    except Exception as error:  # transformers lets through whatever a broken file makes of its code
        raise unreadable(folder, error) from error
    if info["missing_keys"] or info["mismatched_keys"]:
        raise ModelError(f"The weights in {folder} do not fit its config.json.", _AGAIN)
    quicken(model)
    return model


def load_processor(folder: Path) -> Any:
    """The feature extractor and tokenizer in `folder`. Raises ModelError."""
    from transformers import AutoProcessor

    return _loaded(AutoProcessor, folder, lambda error: no_processor(folder, error))


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`, of a model that reads text. Raises ModelError."""
    from transformers import AutoTokenizer

    what = f"{folder} holds no tokenizer that can be used: tokenizer.json is missing or damaged."
    return _loaded(AutoTokenizer, folder, lambda error: ModelError(what, _AGAIN))


def _loaded(auto: Any, folder: Path, refused: Callable[[Exception], ModelError]) -> Any:
    check_processor(folder)
    try:
        return auto.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise refused(error) from error


def save(model: Any, processor: Any, folder: Path) -> None:
    """Write model, generation config and processor, so that other tools can read them too."""
    from studio.models import portable

    with without_bars():
        portable.save_model(model, processor, folder)


def _check_shapes(kind: Any, folder: Path) -> None:
    import torch

    with torch.device("meta"):
        network = kind(kind.config_class.from_pretrained(folder, local_files_only=True))
    check_shapes(network, folder)


def check_weights(folder: Path) -> None:
    """Raise ModelError where the folder has no weights as safetensors."""
    if any((folder / name).is_file() for name in WEIGHTS):
        return
    if (folder / "pytorch_model.bin").is_file():
        raise ModelError(
            f"{folder} holds its weights as pytorch_model.bin, which can run code when it is loaded.",
            "Only safetensors are loaded: fetch or convert the model as model.safetensors.",
        )
    raise ModelError(f"{folder} has a config.json but no weights: model.safetensors is missing.", _AGAIN)


@contextmanager
def without_bars() -> Iterator[None]:
    """Within the block transformers draws no progress bars."""
    from transformers.utils import logging

    log: Any = logging
    was_enabled = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            log.enable_progress_bar()
