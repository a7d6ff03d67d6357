"""Model folders that other tools can read too.

transformers 5 leaves out files that transformers 4, CTranslate2's converter, faster-whisper and whisper.cpp's converter
read. Whatever leaves the studio is written here: as transformers 5 writes it, and with those files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from studio.text import american_spellings

_OLDEST: Mapping[str, str] = MappingProxyType({"whisper": "4.46", "moonshine": "4.48"})  # versions of transformers
_CURRENT = "5.15"  # what the studio needs itself
NEEDS_PEFT = "peft 0.13 or later"
_LORA_KEYS = frozenset({
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode",
    "init_lora_weights", "layer_replication", "layers_pattern", "layers_to_transform", "loftq_config", "lora_alpha",
    "lora_dropout", "megatron_config", "megatron_core", "modules_to_save", "peft_type", "r", "rank_pattern",
    "revision", "target_modules", "task_type", "use_dora", "use_rslora",
})  # fmt: skip
"""The settings that peft 0.13 knows; it refuses an adapter with any other."""


def needs(family: str) -> str:
    """What loads a model of `family` that was written here."""
    return f"transformers {_OLDEST.get(family, _CURRENT)} or later"


def save_model(model: Any, processor: Any, folder: Path) -> None:
    """Write model, generation config and processor into `folder`."""
    model.save_pretrained(folder)
    settings = _read(folder / "config.json")
    _write(folder / "config.json", settings | _earlier_settings(settings))
    save_processor(processor, folder)


def save_processor(processor: Any, folder: Path) -> None:
    """Write feature extractor and tokenizer into `folder`."""
    processor.save_pretrained(folder)
    kind = {"processor_class": type(processor).__name__}
    _write(folder / "preprocessor_config.json", processor.feature_extractor.to_dict() | kind)
    (folder / "processor_config.json").unlink()  # it says the same, in a form that transformers 4 fails on
    _write_tokenizer(processor.tokenizer, folder)


def adapter_settings(config: Any) -> dict[str, Any]:
    """The adapter_config.json of peft's `config`, without what only newer versions know and no one set."""
    chosen, usual = config.to_dict(), type(config)().to_dict()
    unknown = {name for name in chosen if name not in _LORA_KEYS and chosen[name] == usual.get(name)}
    kept = {name: value for name, value in chosen.items() if name not in unknown | {"peft_version"}}
    return {name: sorted(value) if isinstance(value, set) else value for name, value in kept.items()}


def _earlier_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What config.json called things before transformers 5."""
    found: dict[str, Any] = {"torch_dtype": settings["dtype"]} if "dtype" in settings else {}
    rope = settings.get("rope_parameters")
    if isinstance(rope, dict):
        found |= {name: rope[name] for name in ("rope_theta", "partial_rotary_factor") if name in rope}
    if "max_target_positions" in settings:  # whisper.cpp's converter reads the length of a text here
        found["max_length"] = settings["max_target_positions"]
    return found


def _write_tokenizer(tokenizer: Any, folder: Path) -> None:
    """The files of a tokenizer before transformers 5, next to tokenizer.json, which stays as it is."""
    added = {token.content: number for number, token in sorted(tokenizer.added_tokens_decoder.items())}
    special = _special_tokens(tokenizer)
    _write(folder / "special_tokens_map.json", special)
    settings = _read(folder / "tokenizer_config.json")
    for name in ("backend", "extra_special_tokens", "is_local", "local_files_only"):
        settings.pop(name, None)
    if settings["tokenizer_class"] == "TokenizersBackend":  # the name since transformers 5
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    described = {str(number): token.__getstate__() for number, token in tokenizer.added_tokens_decoder.items()}
    usual = {"clean_up_tokenization_spaces": tokenizer.clean_up_tokenization_spaces}  # whose default has changed
    _write(folder / "tokenizer_config.json", usual | settings | special | {"added_tokens_decoder": described})
    if "merges_file" in tokenizer.vocab_files_names:
        _write_vocabulary(tokenizer, added, folder)
    if "normalizer_file" in tokenizer.vocab_files_names:
        _write(folder / "normalizer.json", tokenizer.english_spelling_normalizer or american_spellings())


def _special_tokens(tokenizer: Any) -> dict[str, Any]:
    """Each special token by its role; those without one as a list."""
    named = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    decoder = tokenizer.added_tokens_decoder
    others = [decoder[number].content for number in sorted(decoder) if decoder[number].special]
    others = [token for token in others if token not in named.values()]
    return {**named, "additional_special_tokens": others} if others else named


def _write_vocabulary(tokenizer: Any, added: Mapping[str, int], folder: Path) -> None:
    """vocab.json, merges.txt and added_tokens.json of a byte-pair tokenizer, by its tokenizer.json."""
    model = _read(folder / "tokenizer.json")["model"]
    vocabulary = model["vocab"]
    _write(folder / "vocab.json", vocabulary)
    _write(folder / "added_tokens.json", {token: number for token, number in added.items() if token not in vocabulary})
    merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"])
    (folder / "merges.txt").write_text("".join(f"{pair}\n" for pair in ("#version: 0.2", *merges)), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
