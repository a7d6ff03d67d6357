"""What a person reads aloud: the built-in scripts, and one's own text.

A prompt has a text for the eye (`order number 1 2 9 6 8 0 3`: digit by digit, as it is to be said) and a
label, as the model is to write it. A dataset's own list is in `prompts.txt` next to its manifest, one prompt
a line: text, label where it differs, and why it was chosen where there is a reason, with tabs between them. A list of
one's own that gives way to another script is kept in `own.txt`, so that it can be taken up again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from studio.data.utterance import checked_label
from studio.errors import DataError
from studio.starter.domain import digits
from studio.text import Convention, lines_of, write_numbers
from studio.workspace import disk_errors, write_atomically

if TYPE_CHECKING:
    from studio.data.manifest import Dataset

LONGEST = 600  # characters: about 40 s when read aloud; a clip may last 60 s
NUMBERS = (  # how many of each kind, and its lengths in digits
    (15, "order number {}", (7,)),
    (15, "location code {}", (6,)),
    (10, "phone number {}", (10,)),
    (4, "order {} to location {}", (5, 4)),
    (2, "invoice {} for order {}", (4, 5)),
    (2, "part number {} for order {}", (6, 3)),
    (2, "call {} extension {}", (7, 3)),
)
"""The *Numbers* script: 50 prompts, ten of them mixed, in words that the starter knows."""
ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "de": "Deutsch", "es": "Español", "fr": "Français", "ja": "日本語", "zh": "中文"}
"""Of the *Phrases* script: each code, and what its speakers call the language."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One card: what the person reads, and the label that the clip starts with."""

    text: str
    label: str
    why: str = ""  # why it was chosen for this person: see studio.data.prompts.needs


def numbers(convention: Convention, seed: int = 0) -> list[Prompt]:
    """The *Numbers* script: 50 prompts, mixed, the same for the same seed; labels written by `convention`."""
    rng = random.Random(seed)
    sentences = [
        template.format(*(digits(rng, length, length) for length in lengths))
        for count, template, lengths in NUMBERS
        for _ in range(count)
    ]
    rng.shuffle(sentences)
    return [Prompt(read_aloud(text), write_numbers(text, convention)) for text in sentences]


def phrases(language: str = ENGLISH) -> list[Prompt]:
    """The *Phrases* script in one of LANGUAGES: business and everyday phrases, without numbers.

    Those in English are such as the starter knows. Raises DataError for another language.
    """
    if language not in LANGUAGES:
        raise DataError(f"There are no phrases in “{language[:20]}”.", f"Languages: {', '.join(LANGUAGES)}.")
    return list(_phrases(language))


@cache  # the page compares a dataset's prompts with all of them at each look
def _phrases(language: str) -> tuple[Prompt, ...]:
    name = "phrases.txt" if language == ENGLISH else f"phrases-{language}.txt"
    return tuple(own(resources.files("studio.data.prompts").joinpath(name).read_text("utf-8")))


def language_of(prompts: list[Prompt]) -> str | None:
    """The language of which `prompts` are the *Phrases* script; None where they are not that script."""
    return next((language for language in LANGUAGES if prompts == phrases(language)), None)


def own(text: str) -> list[Prompt]:
    """A person's own prompts: one a line, `text`, `text<tab>label` or `text<tab>label<tab>why`; blank and
    repeated lines are dropped.

    Raises DataError for a line that takes longer to read than a clip may last, or that has nothing to say.
    """
    prompts: dict[str, Prompt] = {}
    for number, line in enumerate(lines_of(text), 1):
        if line.strip():
            prompt = _prompt(number, line)
            prompts.setdefault(prompt.text, prompt)
    return list(prompts.values())


def load(dataset: Dataset) -> list[Prompt]:
    """The prompts of `dataset`; none where it has no list. Raises DataError or DiskError."""
    return _read(dataset.folder / "prompts.txt")


def load_own(dataset: Dataset) -> list[Prompt]:
    """The person's own list that another script took the place of; none where there was none. Raises as `load`."""
    return _read(dataset.folder / "own.txt")


def _read(path: Path) -> list[Prompt]:
    with disk_errors(path, "read"):
        try:
            return own(path.read_bytes().decode("utf-8-sig"))
        except FileNotFoundError:
            return []
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text.", "Save it as UTF-8, one prompt a line.") from error


def save(dataset: Dataset, prompts: Iterable[Prompt]) -> None:
    """Make `prompts` the list of `dataset`; a person's own list there stays in `own.txt`. Raises DiskError."""
    with suppress(DataError):  # a list that cannot be read could not be taken up again
        if is_own(before := load(dataset)):
            _write(dataset.folder / "own.txt", before)
    _write(dataset.folder / "prompts.txt", prompts)


def is_own(prompts: list[Prompt]) -> bool:
    """Whether a person wrote this list: it is no built-in script, and was not chosen for them."""
    is_built_in = prompts in (numbers("words"), numbers("digits")) or language_of(prompts) is not None
    return bool(prompts) and not is_built_in and not any(prompt.why for prompt in prompts)


def _write(path: Path, prompts: Iterable[Prompt]) -> None:
    write_atomically(path, "".join(f"{_line(row)}\n" for row in prompts))


def read_aloud(text: str) -> str:
    """`text` with its digits apart, so that they are read one by one: `order 129` becomes `order 1 2 9`."""
    return re.sub(r"(?<=[0-9])(?=[0-9])", " ", text)


def _line(prompt: Prompt) -> str:
    if prompt.why:
        return f"{prompt.text}\t{prompt.label}\t{prompt.why}"
    return prompt.text if prompt.text == prompt.label else f"{prompt.text}\t{prompt.label}"


def _prompt(number: int, line: str) -> Prompt:
    text, label, why = (" ".join(part.split()) for part in [*line.split("\t", 2), "", ""][:3])
    if len(text) > LONGEST:
        what = f"Line {number} is too long for one clip."
        raise DataError(what, "Cut it into sentences, one a line.")
    try:
        return Prompt(checked_label(text), checked_label(label or text), why)
    except DataError as error:
        what = f"Line {number}, “{text[:40]}”, has no words."
        raise DataError(what, "Write words, or remove it.") from error
