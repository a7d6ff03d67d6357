"""Which models there are, where they lie, and what a download would cost. Cheap: no torch, no network."""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studio.config import ECHO, STARTER, TYPING_STARTER, split_language
from studio.errors import ModelError
from studio.models.claims import header
from studio.workspace import expanded, is_folder

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # whole, or an index of pieces

_PACKAGE = Path(__file__).resolve().parent.parent
_BUNDLED = {
    STARTER: _PACKAGE / "starter" / "model",
    TYPING_STARTER: _PACKAGE / "typing_starter" / "model",
    ECHO: _PACKAGE / "models" / "echo_model",
}
TINY = "UsefulSensors/moonshine-tiny"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

State = Literal["bundled", "on disk", "download"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One line of the model picker."""

    id: str  # what `load` takes
    title: str
    family: str  # transformers' `model_type`
    parameters: int
    state: State
    download_bytes: int  # about, of the whole model; 0 where it is bundled


@dataclass(frozen=True, slots=True)
class _Published:
    id: str
    title: str
    family: str
    parameters: int
    stored: int  # numbers in model.safetensors: the streaming models keep both copies of their tied embeddings
    bytes_each: int = 4  # on the Hub: fp32


# Counted from the published shapes with transformers' own classes on the meta device.
_PUBLISHED = (
    _Published(TINY, "Moonshine tiny", "moonshine", 27_092_736, 27_092_736),
    _Published("UsefulSensors/moonshine-base", "Moonshine base", "moonshine", 61_513_920, 61_513_920),
    _Published(
        "UsefulSensors/moonshine-streaming-tiny", "Moonshine streaming tiny", "moonshine_streaming",
        33_568_961, 44_054_721,
    ),
    _Published(
        "UsefulSensors/moonshine-streaming-small", "Moonshine streaming small", "moonshine_streaming",
        123_358_009, 140_135_225,
    ),
    _Published(
        "UsefulSensors/moonshine-streaming-medium", "Moonshine streaming medium", "moonshine_streaming",
        244_926_593, 265_898_113,
    ),
    _Published("openai/whisper-tiny.en", "Whisper tiny, English", "whisper", 37_760_256, 37_760_256),
    _Published("openai/whisper-tiny", "Whisper tiny, 99 languages", "whisper", 37_760_640, 37_760_640),
    _Published("openai/whisper-base.en", "Whisper base, English", "whisper", 72_593_408, 72_593_408),
    _Published("openai/whisper-base", "Whisper base, 99 languages", "whisper", 72_593_920, 72_593_920),
    _Published("openai/whisper-small.en", "Whisper small, English", "whisper", 241_734_144, 241_734_144),
    _Published("openai/whisper-small", "Whisper small, 99 languages", "whisper", 241_734_912, 241_734_912),
    _Published(
        "kyutai/stt-1b-en_fr-trfs", "Kyutai 1B, English and French", "kyutai_speech_to_text",
        1_068_517_185, 1_085_359_969, 2,
    ),
)  # fmt: skip
_TOKENIZER_BYTES = 4_000_000  # about: a vocabulary of 32,768 as JSON


def catalogue() -> list[ModelCard]:
    """Every model that the picker offers: the bundled one first, then the published ones, family by family."""
    starter = ModelCard(STARTER, "Starter", "moonshine", stored_numbers(_BUNDLED[STARTER]), "bundled", 0)
    hands = _BUNDLED[TYPING_STARTER]
    typing = ModelCard(TYPING_STARTER, "Typing starter", "llama", stored_numbers(hands), "bundled", 0)
    is_there = (hands / "config.json").is_file()
    return [starter, *(_card(model) for model in _PUBLISHED), *([typing] if is_there else [])]


def default_model() -> str:
    """The default base: Moonshine tiny once it is on this disk, else the bundled starter."""
    return TINY if fetched(TINY) else STARTER


def locate(source: str | Path) -> Path:
    """The folder of the model `source`, in whichever language: bundled, a folder, or a snapshot in the Hub's cache.

    Raises ModelError that says how to fetch it, or what was probably meant.
    """
    name, _ = split_language(str(source))
    if name in _BUNDLED:
        return _BUNDLED[name]
    folder = expanded(name)
    if is_folder(name):
        return folder.resolve()
    if _HUB_ID.fullmatch(name) and (folder_of_id := fetched(name)):
        return folder_of_id
    raise ModelError(f"There is no model “{name}” on this disk.", _hint(name))


def is_hub_id(source: str) -> bool:
    """Whether `source` names a model on the Hub, and not a folder on this disk."""
    name, _ = split_language(source)
    return bool(_HUB_ID.fullmatch(name)) and not is_folder(name)


def in_cache(hub_id: str) -> Path | None:
    """The snapshot of `hub_id` in the Hub's cache, if its weights are there whole."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = {name: try_to_load_from_cache(hub_id, name) for name in ("config.json", *WEIGHTS)}
    except HFValidationError:  # such as ../model
        return None
    config = found.pop("config.json")
    if not isinstance(config, str) or not any(isinstance(path, str) for path in found.values()):
        return None
    folder = Path(config).parent
    return folder if all((folder / piece).is_file() for piece in _pieces(folder)) else None


def fetched(hub_id: str) -> Path | None:
    """The folder of `hub_id` on this disk: in the Hub's cache, or made from its makers' package."""
    return in_cache(hub_id) or _packaged(hub_id)


def _packaged(hub_id: str) -> Path | None:
    folder = packaged_folder(hub_id)
    return folder if all((folder / name).is_file() for name in ("config.json", "model.safetensors")) else None


def packaged_folder(hub_id: str) -> Path:
    """The folder for `hub_id` as made from its makers' package: next to the Hub's cache, not part of it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).parent / "speech-studio" / hub_id.replace("/", "--")


def stored_numbers(folder: Path) -> int:
    """How many numbers model.safetensors holds, by its header; 0 without it."""
    try:
        return sum(math.prod(shape) for shape in header(folder / WEIGHTS[0]).values())
    except ModelError:
        return 0


def _pieces(folder: Path) -> set[str]:
    """The files that an index of pieces names; none where the weights are whole."""
    try:
        return set(json.loads((folder / WEIGHTS[1]).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError):
        return set()


def _card(model: _Published) -> ModelCard:
    state: State = "on disk" if fetched(model.id) else "download"
    size = model.stored * model.bytes_each + _TOKENIZER_BYTES
    return ModelCard(model.id, model.title, model.family, model.parameters, state, size)


def _hint(name: str) -> str:
    if name.endswith(".gguf") and expanded(name).is_file():
        return f"A GGUF file becomes a model folder first: studio unpack {name}"
    if name.startswith(("/", "~", "./", "../")):
        return "Check the path: a model folder holds config.json and model.safetensors."
    ids = [STARTER, *(model.id for model in _PUBLISHED)]
    if name in ids or (_HUB_ID.fullmatch(name) and not difflib.get_close_matches(name, ids, 1, 0.9)):
        return f"Fetch it first, which needs the internet: studio fetch {name}"
    near = difflib.get_close_matches(name, ids, 1)
    return f"Did you mean “{near[0]}”?" if near else f"Give a model folder, or one of {', '.join(ids)}."
