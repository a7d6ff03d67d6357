"""A tokenizer as llama.cpp keeps it: its tokens, and what says which of them a text becomes.

For byte-level tokenizers that is a list of merges, and the name of a way to split text into words: llama.cpp has the
rules for that in its own code, and a file can only choose one of them. Tokenizers like SentencePiece's (Gemma's) take a
text as a whole, and join the two neighbours whose token has the highest score.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from studio.errors import ModelError

_SPLITS: Mapping[str, str] = MappingProxyType({
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "llama-bpe",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
})  # fmt: skip
"""By the regular expression of a tokenizer.json: llama.cpp's name for it."""
STARTERS_SPLIT = r" ?[A-Za-z]+(?:'(?!s\b)[A-Za-z]+)*|'s\b"  # of the typing starter: no name of llama.cpp's fits
_NEAREST = "llama-bpe"  # which takes whole words from the vocabulary first, as the starter does
_CONTRACTION = re.compile(r"Ġ[A-Za-z]+'[A-Za-z]+")  # one word to the starter, two to llama.cpp
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_SPACE = "▁"  # SentencePiece's, by which text is written in its vocabulary
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED, _OF_BYTE = 1, 3, 4, 5, 6  # llama.cpp's kinds of tokens
_NO_MERGE = -1000.0  # the score of what no two neighbours become; llama.cpp's own converter gives the same


@dataclass(frozen=True, slots=True)
class Token:
    """One entry of the vocabulary."""

    text: str
    kind: int  # llama.cpp's


@dataclass(frozen=True, slots=True)
class Splitting:
    """How a file says that text is split into words."""

    name: str  # llama.cpp's
    is_exact: bool  # whether every text gets the tokens that our tokenizer gives it
    model: str = "gpt2"  # llama.cpp's name for byte-level tokenizers; "llama" for those like SentencePiece's


def splitting(settings: Mapping[str, Any]) -> Splitting:
    """llama.cpp's name for how the tokenizer.json `settings` splits text. Raises ModelError where it has none."""
    if _is_sentence_piece(settings):
        return Splitting("default", True, "llama")
    parts = _parts(settings.get("pre_tokenizer"))
    kinds = [part["type"] for part in parts]
    if settings["model"]["type"] != "BPE" or "ByteLevel" not in kinds:
        raise ModelError(
            "llama.cpp's file is written for tokenizers like those of SmolLM2, Qwen, Llama 3 and Gemma 3; this model's "
            "is another.",
            "Export it to another target.",
        )
    splits = [part["pattern"].get("Regex") for part in parts if part["type"] == "Split"]
    if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
        return Splitting("gpt-2", True)
    if kinds == ["Digits", "ByteLevel"] and parts[0]["individual_digits"]:
        return Splitting("smollm", True)
    if kinds == ["Split", "ByteLevel"] and splits[0] in _SPLITS:
        return Splitting(_SPLITS[splits[0]], True)
    if splits == [STARTERS_SPLIT]:
        return Splitting(_NEAREST, False)
    raise ModelError(
        "llama.cpp does not split text into words as this model's tokenizer does.", "Export it to another target."
    )


def tokens(tokenizer: Any, vocabulary: int, split: Splitting) -> Iterator[Token]:
    """Every token by its id, as many as the network's `vocabulary`."""
    texts = {number: text for text, number in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    for number in range(vocabulary):
        text = texts.get(number)
        if text is None:
            yield Token(f"[PAD{number}]", _UNUSED)
        elif number in added and added[number].special:
            yield Token(text, _CONTROL)
        elif number in added:  # llama.cpp looks for such tokens before it writes spaces its own way
            yield Token(text.replace(_SPACE, " ") if split.model == "llama" else text, _USER_DEFINED)
        elif split.model == "llama" and _BYTE.fullmatch(text):
            yield Token(text, _OF_BYTE)
        elif not split.is_exact and _CONTRACTION.fullmatch(text):  # llama.cpp looks for such tokens before it splits
            yield Token(text.replace("Ġ", " "), _USER_DEFINED)
        else:
            yield Token(text, _NORMAL)


def merges(settings: Mapping[str, Any]) -> list[str]:
    """Each pair of tokens that may become one, in order."""
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in settings["model"]["merges"]]


def scores(settings: Mapping[str, Any], tokenizer: Any, vocabulary: int) -> list[float]:
    """By id, how early two neighbours become that token: the earlier, the higher."""
    ranks = dict[str, float]()
    for rank, pair in enumerate(merges(settings)):
        ranks.setdefault(pair.replace(" ", ""), -float(rank))
    texts = {number: text for text, number in tokenizer.get_vocab().items()}
    return [ranks.get(texts.get(number, ""), _NO_MERGE) for number in range(vocabulary)]


def _is_sentence_piece(settings: Mapping[str, Any]) -> bool:
    """Whether a space is a letter like others, and what is in no token becomes bytes, as Gemma's has it."""
    model, normal = settings["model"], settings.get("normalizer") or {}
    if model["type"] != "BPE" or not model.get("byte_fallback") or normal.get("type") != "Replace":
        return False
    splits = [part.get("pattern", {}).get("String") for part in _parts(settings.get("pre_tokenizer"))]
    return bool(normal["pattern"] == {"String": " "} and normal["content"] == _SPACE and splits in ([], [" "]))


def _parts(settings: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if settings is None:
        return []
    return list(settings["pretokenizers"]) if settings["type"] == "Sequence" else [dict(settings)]
