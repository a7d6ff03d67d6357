"""From a name to a family, and from a source to a recogniser."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import cast

from studio.config import MIXED, Kind, split_language
from studio.errors import ModelError
from studio.models.base import Family, Recogniser
from studio.models.catalogue import locate
from studio.models.claims import check_model, read_object
from studio.models.device import pick_device, pick_dtype
from studio.models.language import check_language

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "moonshine": "studio.models.moonshine:Moonshine",
        "moonshine_streaming": "studio.models.moonshine_streaming:MoonshineStreaming",
        "whisper": "studio.models.whisper:Whisper",
        "kyutai_speech_to_text": "studio.models.kyutai.family:KyutaiSpeechToText",
        "llama": "studio.models.causal_lm.family:Llama",
        "qwen2": "studio.models.causal_lm.family:Qwen2",
        "qwen3": "studio.models.causal_lm.family:Qwen3",
        "smollm3": "studio.models.causal_lm.family:SmolLm3",
        "gemma3_text": "studio.models.causal_lm.family:Gemma3",
        "echo": "studio.models.echo:Echo",
    }
)
"""`model_type` -> where its family is, imported when it is asked for."""
MAKERS_TYPE = "stt"  # what Kyutai's own config.json says


def family_named(model_type: str) -> Family:
    """The family of transformers' `model_type`. Raises ModelError, with the nearest name there is."""
    if model_type not in FAMILIES:
        near = difflib.get_close_matches(model_type, FAMILIES, 1)
        hint = f"Did you mean “{near[0]}”?" if near else f"Known families: {', '.join(FAMILIES)}."
        raise ModelError(f"There is no model family “{model_type}”.", hint)
    module, _, name = FAMILIES[model_type].partition(":")
    return cast(Family, getattr(import_module(module), name)())


def family_of(folder: Path) -> Family:
    """The family of the model in `folder`, by its config.json. Raises ModelError."""
    config = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    if not isinstance(model_type := config.get("model_type"), str):
        raise ModelError(f"{folder} is not a model folder: {_why(folder)}.", _what_then(folder))
    if model_type == MAKERS_TYPE:
        raise ModelError(
            f"{folder} is for Kyutai's own servers (a Candle or PyTorch copy), and not for transformers.",
            "Choose the copy of the model whose name ends in -trfs.",
        )
    return family_named(model_type)


def load(source: str | Path, device: str = "auto", precision: str = "fp32", adapter: Path | None = None) -> Recogniser:
    """The model of `source` in eval mode, with the adapter in the folder `adapter` on it.

    `source` is “starter”, a Hub id on this disk, or a model folder; after a multilingual one `:de` or another code
    chooses the language. The network is never touched.
    Raises ModelError and DeviceError.
    """
    folder = locate(source)
    family = check(folder)
    _, language = split_language(str(source))
    check_language(folder, language)
    device = pick_device(device)
    model, processor = family.load(folder, device, pick_dtype(precision, device), language)
    if precision == MIXED:
        from studio.models.kernels.mixed import mix

        mix(getattr(model, "model", model))  # without a codec, whose codes would change
    recogniser = Recogniser(family, model, processor, str(source), folder, device, precision)
    if adapter is None:
        return recogniser
    from studio.models.adapters import load_adapter

    return load_adapter(recogniser, adapter)


def load_to_read(
    source: str | Path, device: str = "auto", adapter: Path | None = None, *, at_once: bool = False
) -> Recogniser:
    """As `load`, in fp32, for a model that is neither trained nor merged afterwards: FBGEMM makes it read faster.

    `at_once` is for one that stays in memory. See `studio.models.kernels.half`. Raises ModelError and DeviceError.
    """
    from studio.models.kernels.half import read_weights_as_fp16

    recogniser = load(source, device, adapter=adapter)
    read_weights_as_fp16(recogniser.model, at_once=at_once)
    return recogniser


def load_to_trace(source: str | Path) -> Recogniser:
    """As `load`, on the CPU in fp32, with PyTorch's own layers alone: other programs know these. Raises ModelError."""
    from studio.models.kernels.linear import as_published

    recogniser = load(source, "cpu")
    as_published(recogniser.model)
    return recogniser


def check(folder: Path) -> Family:
    """The family of the model in `folder`, whose files were looked at but not loaded. Raises ModelError."""
    family = family_of(folder)
    check_model(folder)
    return family


def kind_of(source: str) -> Kind:
    """What goes into the model `source`; sound where that is not known, since it is not on this disk."""
    try:
        return family_of(locate(source)).kind
    except ModelError:
        return "speech"


def _why(folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        return "it holds an adapter"
    return "its config.json is missing or names no model_type"


def _what_then(folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        return "Give its base model as the model, and this folder as the adapter."
    return "Choose a folder that holds config.json and model.safetensors."
