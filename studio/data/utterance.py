"""One example of a dataset, a line of `manifest.jsonl`: what every kind has, and the recorded clip, in NeMo's keys."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from studio.config import Kind
from studio.errors import DataError
from studio.text import prompt_key

Split = Literal["train", "validation", "test", "unused"]
SIDES: tuple[Split, ...] = ("train", "validation", "test")  # the splits that a run uses
Origin = Literal["microphone", "keyboard", "import", "live", "synthetic"]

LONGEST_LABEL = 2_000  # characters: in the 60 s that a clip may last, the fastest speakers say about 1,500
sentence_key = lru_cache(maxsize=50_000)(prompt_key)  # what a sentence is known by, however it is written
_SALT = "139:"  # with it both built-in scripts fall 35 / 5 / 10, and the first 16 *Numbers* on all sides


class Example(BaseModel):
    """What a model gets, and the text that it should write. Keys of other programs are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow", ser_json_inf_nan="constants")

    kind: ClassVar[Kind]
    noun: ClassVar[str]  # what people call one
    editable: ClassVar[frozenset[str]]  # fields that a person may change
    together: ClassVar[tuple[str, ...]]  # fields that must be there, or fit together
    optional: ClassVar[tuple[str, ...]]  # left out of the line while there is nothing in them

    id: str = Field(min_length=1)
    text: str  # the reference: what should be written; empty in an example that waits for it
    duration: float = Field(0.0, ge=0, allow_inf_nan=False)  # seconds of sound, or of typing where that is known
    prompt: str = ""  # what the person was asked to read or to type
    speaker: str = ""  # who speaks or types
    session: str = ""  # the sitting in which it was made: examples of one are alike
    split: Split
    source: Origin = "import"
    created_at: str = ""  # ISO 8601, UTC

    @property
    def given_hash(self) -> str:
        """A name for exactly what the model gets, whatever the text; empty where it was not computed."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _never_measures_what_was_corrected(self) -> Self:
        if self.source == "live" and self.split == "test":
            raise ValueError("a correction made in the Test tab never enters the test split")
        return self

    def to_line(self) -> str:
        """One line of JSON, without its newline."""
        empty = {name for name in self.optional if getattr(self, name) in (None, "", False, 0)}
        return self.model_dump_json(exclude=empty, by_alias=True)


class Utterance(Example):
    """One recorded clip and what was said in it."""

    kind: ClassVar[Kind] = "speech"
    noun: ClassVar[str] = "clip"
    editable: ClassVar[frozenset[str]] = frozenset(
        {"text", "prompt", "speaker", "session", "split", "words", "words_from", "quality"}
    )
    together: ClassVar[tuple[str, ...]] = ("id", "audio_filepath", "text", "duration", "split", "source")
    optional: ClassVar[tuple[str, ...]] = ("session", "words", "words_from", "quality", "silent")

    id: str = Field(min_length=1)
    audio_filepath: str = Field(min_length=1)  # relative to the dataset folder, which can then be moved
    text: str  # what was said, as it should be written; empty in a clip that waits for its label
    duration: float = Field(gt=0, allow_inf_nan=False)  # seconds
    words: list[tuple[str, tuple[float, float]]] | None = None  # word, [start, end] in seconds
    words_from: str = Field("", max_length=200)  # what timed them: a model, "rough", "hand"; empty: another program
    quality: dict[str, Any] | None = None  # what studio.data.quality measured
    audio_sha256: str = ""  # of the samples: the same recording twice is found by it
    silent: bool = False  # no speech in it: its label is empty

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, line: Any) -> Any:
        """A line of another program has no id or split: they follow from what it has, the same each time."""
        if not isinstance(line, dict) or ("id" in line and "split" in line):
            return line
        path = str(line.get("audio_filepath", ""))
        return {
            "id": hashlib.sha256(path.encode("utf-8", "replace")).hexdigest()[:16],
            "split": hashed_split(str(line.get("text", ""))),
        } | line

    @model_validator(mode="after")
    def _stands_where_it_may(self) -> Self:
        if self.split != "unused" and not self.silent and not self.text.strip():
            raise ValueError("the label is empty: write what was said, before the clip trains or measures")
        return self

    @property
    def given_hash(self) -> str:
        """SHA-256 of the samples."""
        return self.audio_sha256


def clips_of(examples: Iterable[Example]) -> list[Utterance]:
    """The recorded clips among `examples`: all of a dataset of speech, none of one of typing."""
    return [clip for clip in examples if isinstance(clip, Utterance)]


def checked_label(text: str) -> str:
    """`text` as a label: one line, single-spaced, composed (NFC).

    Raises DataError where nothing is left, or more than one clip can say.
    """
    text = " ".join(text.split())
    if len(text) > LONGEST_LABEL:
        what = f"The label is {len(text):,} characters long; a clip's label can have {LONGEST_LABEL:,} at most."
        raise DataError(what, "Write only what is said in this clip.")
    printable = "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in text)
    label = " ".join(unicodedata.normalize("NFC", printable).split())
    if not re.search(r"\w", label):
        raise DataError("The label is empty.", "Write what was said.")
    return label


def hashed_split(text: str) -> Split:
    """The side on which the sentence `text` falls: 70 % train, 10 % validation, 20 % test, by hash alone."""
    share = hashed_share(text)
    return "test" if share < 0.2 else "validation" if share < 0.3 else "train"


def hashed_share(text: str) -> float:
    """Where the sentence `text` falls between 0 and 1, however it is written."""
    key = (_SALT + sentence_key(text)).encode("utf-8", "replace")
    return int(hashlib.sha256(key).hexdigest()[:8], 16) / 0x1_0000_0000
