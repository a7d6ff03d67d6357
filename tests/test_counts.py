"""A count agrees with its noun and verb, on the page and in the terminal: “1 clip was moved”, not “1 were moved”."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import studio
from studio.data.import_export.importing import ImportReport
from studio.text import counted
from studio.train.clips import moved_note

ROOM = Path(studio.__file__).parent
NOUNS = (
    "adapters cells characters clips columns errors files labels layers lines others prompts reasons recordings "
    "requests rows runs sentences speakers takes tensors terms times tokens words were are have"
)
FIXED = re.compile(rf"\{{(?![A-Z]|counted|points)[^{{}}\"]*\}} (?:[a-z]+ )?(?:{'|'.join(NOUNS.split())})\b")
COMMENT = re.compile(r"/?\*")  # of a script: it gives types
BY_HAND = re.compile(r"'' if .* == 1 else 's'|=== 1 \? \"[a-z]+\" : \"[a-z]+s\"")
NEVER_ONE = (  # a noun that is no count's, or a count that is more than one wherever the sentence is said
    "clips_per_second",
    "of {event.total_parameters:,} parameters are trained",
    "None of the {clips[0].split} clips",  # names a split
    "are taken in two halves",  # a batch that was halved
    "of the {found.clips} clips that have it",
    'f"{count} times"',  # after “once”
    "of {counts.total():,} labels are written",  # from FEWEST labels on
    "of {total:,} labels end",
    "as digits, {len(with_words):,} as words",
    "The label has {count:,} tokens",  # what is too much
    "The text has more than {self._room:,} tokens",
    "It takes {at_once} tokens",  # always 8
    "{positions} tokens. Any reader of `tokenizer.json`",
    "The label is {len(text):,} characters long",
    "The note has {len(text):,} characters",
    "it adds {len(added):,} tokens",
    "would unpack to {count} files",
    "adapters were given; {MOST",
    "There are {len(found)} key terms",
    "${runs.length} runs; ${runs[0]",  # two are compared at least
    "(${biased} with terms)",
    "studio label {_dataset",
    "studio prompts {_dataset",
    "packages that export to {self.name} are",
    "its rows of {values.shape[-1]} values",  # a layer's width
    "GB; an ONNX file has 2 GB",
    "it has at most {most} tokens",
    "The pause heads in {",
    "would have ended the turn at ${by_level",  # seconds with a decimal
    "The model {who.model} takes",
    "The model {config.model} takes",
    "The tokenizer in {folder} has {highest",
    "has {typed + answer:,} tokens; the model reads",  # what is too much
    "The {name} is {len(text):,} characters long",
    "One side has {longest:,} characters",
    "{len(pair.typed):,} characters were typed",
    "No columns of {path.name}",
    "characters a minute",
)


def sentences() -> Iterator[str]:
    for path in [*ROOM.rglob("*.py"), *ROOM.rglob("*.js")]:
        if not {"starter", "typing_starter"} & set(path.parts):
            lines = (line.strip() for line in path.read_text().split("\n"))
            yield from (f"{path.relative_to(ROOM)}: {line}" for line in lines if not COMMENT.match(line))


def test_no_sentence_counts_one_in_the_plural() -> None:
    found = [line for line in sentences() if FIXED.search(line.replace("${", "{")) or BY_HAND.search(line)]
    assert [line for line in found if not any(known in line for known in NEVER_ONE)] == []


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        (counted(1, "clip"), "1 clip"),
        (counted(0, "clip"), "0 clips"),
        (counted(1_200, "clip"), "1,200 clips"),
        (counted(1, "stretch is", "stretches are"), "1 stretch is"),
        (counted(2, "stretch is", "stretches are"), "2 stretches are"),
        (moved_note(["“hello” to test"]), "1 clip was moved permanently: “hello” to test"),
        (moved_note(["a", "b"]), "2 clips were moved permanently: a; b"),
    ],
)
def test_one_is_counted_in_the_singular_and_all_else_in_the_plural(sentence: str, said: str) -> None:
    assert sentence.endswith(said)


def test_an_import_of_one_clip_says_so() -> None:
    report = ImportReport(added=1, minutes=0.1, linked=0, already=1, skipped=0, reasons=[], listed=[])
    assert report.sentence() == "1 clip added (0.1 min), 1 was there already."
