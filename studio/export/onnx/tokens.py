"""The vocabulary as runtimes without transformers keep it: the bytes that each token writes.

A token's space is ▁, as in SentencePiece, except where a byte-level tokenizer (Whisper's) has real spaces.
"""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path
from typing import Any

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def written_bytes(tokenizer: Any) -> dict[int, bytes]:
    """What each token writes, by its id; special tokens write nothing and are left out."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    letters = {letter: value for value, letter in bytes_to_unicode().items()}
    is_byte_level = "ByteLevel" in type(tokenizer.backend_tokenizer.decoder).__name__

    def written(token: str) -> bytes:
        if is_byte_level:
            return bytes(letters[letter] for letter in token)
        found = _BYTE.fullmatch(token)
        return bytes([int(found[1], 16)]) if found else token.encode()

    return {number: written(token) for token, number in tokenizer.get_vocab().items() if number not in special}


def write_base64(tokenizer: Any, path: Path) -> None:
    """`tokens.txt` of sherpa-onnx: a line for each token, its bytes in base64 and its id."""
    known = sorted(written_bytes(tokenizer).items())
    path.write_text("".join(f"{b64encode(written).decode()} {number}\n" for number, written in known), encoding="ascii")


def write_list(tokenizer: Any, path: Path) -> None:
    """`tokenizer.bin` of Moonshine's runtime: every token in the order of ids, its length before its bytes.

    A length from 128 on takes two bytes. Special tokens are there by name: the runtime leaves out what is in <…>.
    """
    known = written_bytes(tokenizer)
    names = {number: token for token, number in tokenizer.get_vocab().items()}
    parts = (known.get(number) or names[number].encode() for number in range(len(names)))
    path.write_bytes(b"".join(_length(len(part)) + part for part in parts))


def _length(count: int) -> bytes:
    return bytes([count]) if count < 128 else bytes([128 + count % 128, count // 128])
