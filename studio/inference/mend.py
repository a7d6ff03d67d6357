"""Typed text corrected by a typing model: sentence by sentence, with what must not change put back."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from studio.config import TYPING_STARTER
from studio.errors import DataError, ModelError
from studio.models import Clip, Recogniser, load_to_read
from studio.models.adapters import base_of as base_of_run
from studio.models.adapters import find_adapter, load_adapter
from studio.models.causal_lm.family import CausalLm
from studio.typing.edits import WordEdit, edits
from studio.typing.pieces import LONGEST, pieces
from studio.typing.safe import kept
from studio.workspace import Workspace

_LINE_END = re.compile(r"(\r\n|\n|\r)")
_LETTER = re.compile(r"[^\W\d_]")  # what has none is not put to the model
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")  # nor what has none of these, where the model has seen no others


@dataclass(frozen=True, slots=True)
class Corrected:
    """A text as it was typed and as it reads now."""

    typed: str
    text: str
    latency: float  # seconds
    taken_back: tuple[WordEdit, ...] = ()  # changes that the model made where nothing may change
    cut: int = 0  # sentences whose answer did not end: they are left as they were typed
    changes: tuple[WordEdit, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """For a program: what changed, word by word."""
        return {
            "typed": self.typed,
            "text": self.text,
            "changes": [{"from": edit.source.strip(), "to": edit.correction.strip()} for edit in self.changes],
            "kept": [edit.source.strip() for edit in self.taken_back],
            "unfinished": self.cut,
            "latency": round(self.latency, 4),
        }


@dataclass(frozen=True, slots=True)
class _Rules:
    """What corrects, and what it may not change."""

    recogniser: Recogniser
    keep: Collection[str]
    free: bool

    @property
    def latin_only(self) -> bool:
        """Whether the model has seen no other script."""
        family = self.recogniser.family
        return isinstance(family, CausalLm) and family.latin_only(self.recogniser.model)


def load_typing(model: str | None, run: str | None, workspace: Workspace, device: str = "auto") -> Recogniser:
    """The typing model of `model`, of the run or adapter folder `run`, or the bundled one. Raises ModelError."""
    adapter = find_adapter(run, workspace) if run else None
    source = model or (base_of_run(adapter) if adapter else None) or TYPING_STARTER
    recogniser = load_to_read(source, device)
    if recogniser.family.kind != "typing":
        raise ModelError(
            f"“{source}” transcribes sound; it does not correct typing.",
            f"Choose {TYPING_STARTER}, or a folder with a language model such as SmolLM2.",
        )
    return load_adapter(recogniser, adapter) if adapter else recogniser


def typing_named(name: str, workspace: Workspace, device: str = "auto") -> Recogniser:
    """The typing run `name` of `workspace`, or the bundled model. Raises ModelError."""
    return load_typing(None, None if name == TYPING_STARTER else name, workspace, device)


def mend(recogniser: Recogniser, text: str, keep: Collection[str] = (), *, free: bool = False) -> Corrected:
    """`text`, of any length, corrected; its line ends, empty lines and indents stay as they are.

    The words to `keep` come through unchanged, and so do numbers, addresses, code and names. A change that no typo
    explains is taken back, unless the model is `free` to exchange and add words. A sentence that the model cannot take,
    or whose answer does not end, stays as it was typed.
    """
    start = time.perf_counter()
    rules = _Rules(recogniser, keep, free)
    found = [_mended_line(rules, part) for part in _LINE_END.split(text)]
    return Corrected(
        text,
        "".join(line.text for line in found),
        time.perf_counter() - start,
        tuple(edit for line in found for edit in line.taken_back),
        sum(line.cut for line in found),
        tuple(edit for line in found for edit in line.changes),
    )


def _mended_line(rules: _Rules, line: str) -> Corrected:
    indent = line[: len(line) - len(line.lstrip())]
    found = list(_mended_pieces(rules, line[len(indent) :]))
    return Corrected(
        line,
        indent + "".join(text.text + gap for text, gap in found),
        0.0,
        tuple(edit for text, _ in found for edit in text.taken_back),
        sum(text.cut for text, _ in found),
        tuple(edit for text, _ in found for edit in text.changes),
    )


def _mended_pieces(rules: _Rules, line: str) -> Iterator[tuple[Corrected, str]]:
    for piece, gap in pieces(line):
        tail = piece[len(piece.rstrip()) :]
        yield _mended_piece(rules, piece[: len(piece) - len(tail)]), tail + gap


def _mended_piece(rules: _Rules, piece: str) -> Corrected:
    as_typed = Corrected(piece, piece, 0.0)
    letter = _LATIN if rules.latin_only else _LETTER
    if not letter.search(piece) or len(piece) > LONGEST:  # a longer piece is one word
        return as_typed
    try:
        clip = Clip(np.zeros(0, np.float32), typed=piece)
        answer = rules.recogniser.family.transcribe(rules.recogniser.model, rules.recogniser.processor, clip)
    except DataError:  # a model with few positions
        return Corrected(piece, piece, 0.0, cut=1)
    if answer.is_cut:
        return Corrected(piece, piece, 0.0, cut=1)
    found = kept(piece, answer.text, rules.keep, latin_only=rules.latin_only, free=rules.free)
    return Corrected(piece, found.text, 0.0, found.taken_back, 0, tuple(edits(piece, found.text)))


def read_text(path: Path) -> str:
    """The text in `path`, with its line ends as they are. Raises DataError where it is not text in UTF-8."""
    from studio.workspace import disk_errors

    with disk_errors(path, "read"):
        content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file in UTF-8.", "Save it again as UTF-8.") from error
