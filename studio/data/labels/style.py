"""How labels are written: which differ from the majority, and how to fix them.

Nothing is imposed: a convention is what most labels of the dataset already follow. Each finding comes with the new
labels, to be shown and applied like every other proposal.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from studio.data.labels.numbers import rewrite, still_holds
from studio.data.labels.proposals import Proposal, propose
from studio.data.manifest import Utterance
from studio.errors import ModelError
from studio.text import counted
from studio.text.cleaning import FIXES, clean
from studio.text.number_rules import DigitRules, WordRules

MOST = 0.8  # share of the labels from which on a habit is the dataset's convention
FEWEST = 5  # labels below which there is no telling what the convention is
SHOWN = 3  # examples of a finding

Case = Literal["lower", "sentence", "upper", "mixed", "none"]
Known = Callable[[str], bool]
"""Whether a tokenizer knows a character."""

_FINAL = re.compile(r"[.?!][\"')\]]*$")
_QUESTION = re.compile(
    r"(what|where|who|whom|whose|when|why|how|which|can|could|do|does|did|is|are|was|will|would|should|may)\b", re.I
)
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # a tokenizer's way out, where it knows no better piece


class StyleFinding(BaseModel):
    """One habit that some labels do not share."""

    model_config = ConfigDict(frozen=True)

    kind: str  # "shouting", "ending", "tokenizer", "numbers", or a name of cleaning.FIXES
    title: str
    what: str  # a sentence, with how most labels are written
    count: int
    examples: list[str]
    proposals: list[Proposal]  # fewer than `count` where a person must decide


def findings(clips: Sequence[Utterance], known: Known | None = None) -> list[StyleFinding]:
    """What is inconsistent in the labels of `clips`, the most frequent first; `known` adds the tokenizer's view."""
    found = [*_artefacts(clips), *_case(clips), *_ending(clips), *_numbers(clips)]
    found += _unknown(clips, known) if known else []
    return sorted(found, key=lambda finding: -finding.count)


KINDS = (*FIXES, "shouting", "case", "ending", "numbers", "tokenizer")
"""Every kind of finding: what `--style` can fix."""


def knows(folder: Path) -> Known:
    """Which characters the tokenizer of the model in `folder` can write as itself, not as bytes or as unknown.

    Raises ModelError where there is none.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError(f"The model in {folder} has no tokenizer.json.", "Choose another model for this check.")
    tokenizer = Tokenizer.from_file(str(path))

    @cache
    def is_known(char: str) -> bool:
        tokens = tokenizer.encode(char, add_special_tokens=False).tokens
        return not any(_BYTE.fullmatch(token) or token in ("<unk>", "[UNK]") for token in tokens)

    return is_known


def case_of(text: str) -> Case:
    """How `text` uses capitals; "none" where that cannot be determined: no letters, or only spelled or short names."""
    letters = [char for char in text if char.isalpha() and char.lower() != char.upper()]
    if all(char.islower() for char in letters):
        return "lower" if letters else "none"
    if all(char.isupper() for char in letters):
        words = re.findall(r"[^\W\d_]+", text)
        is_loud = any(len(word) > 3 for word in words) or sum(len(word) > 1 for word in words) > 1
        return "upper" if is_loud else "none"
    return "sentence" if letters[0].isupper() else "mixed"


def _finding(
    kind: str, title: str, what: str, proposals: list[Proposal], stuck: Sequence[str] = ()
) -> Iterator[StyleFinding]:
    examples = [*(item.before for item in proposals), *stuck][:SHOWN]
    count = len(proposals) + len(stuck)
    if count:
        yield StyleFinding(kind=kind, title=title, what=what, count=count, examples=examples, proposals=proposals)


def _artefacts(clips: Sequence[Utterance]) -> Iterator[StyleFinding]:
    """Each kind of artefact by itself, so that one can be mended and another kept."""
    touched = [clip for clip in clips if clean(clip.text)[0] != clip.text]
    for name, (title, fix) in FIXES.items():

        def mended(text: str, fix: Callable[[str], str] = fix, name: str = name) -> tuple[str, list[str]]:
            after = fix(text)
            if name != "spaces" and " ".join(after.split()) == " ".join(text.split()):
                return text, []
            return " ".join(after.split()), [name]

        yield from _finding(
            name, title, "These are never spoken; a model would learn to write them.", propose(touched, mended)
        )


def _case(clips: Sequence[Utterance]) -> Iterator[StyleFinding]:
    cases = {clip.id: case_of(clip.text) for clip in clips}
    counts = Counter(case for case in cases.values() if case != "none")
    convention, how_many = counts.most_common(1)[0] if counts else ("none", 0)
    if counts.total() < FEWEST or how_many < MOST * counts.total() or convention == "mixed":
        return
    names = {"lower": "in lower case", "sentence": "with a capital letter first", "upper": "IN CAPITALS"}
    others = [clip for clip in clips if cases[clip.id] not in (convention, "none")]
    what = f"{how_many:,} of {counts.total():,} labels are written {names[convention]}."
    loud = [clip for clip in others if cases[clip.id] == "upper"]
    mended = _recased(convention)
    yield from _finding("shouting", "All capitals", what, propose(loud, mended))
    rest = [clip for clip in others if cases[clip.id] != "upper"]
    yield from _finding("case", "Capital letters", what, propose(rest, mended))


def _recased(convention: str) -> Callable[[str], tuple[str, list[str]]]:
    def mended(text: str) -> tuple[str, list[str]]:
        if convention == "upper":
            return text.upper(), ["capitals"]
        if convention == "lower":
            return text.lower(), ["lower case"]
        quiet = text.lower() if case_of(text) == "upper" else text
        first = next((place for place, char in enumerate(quiet) if char.isalpha()), 0)
        return quiet[:first] + quiet[first : first + 1].upper() + quiet[first + 1 :], ["capital first"]

    return mended


def _ending(clips: Sequence[Utterance]) -> Iterator[StyleFinding]:
    ended = [clip for clip in clips if _FINAL.search(clip.text)]
    if len(clips) < FEWEST:
        return
    share, total = len(ended), len(clips)
    if share >= MOST * total:
        bare = [clip for clip in clips if not _FINAL.search(clip.text)]
        what = f"{share:,} of {total:,} labels end with a full stop, a question mark or an exclamation mark."
        yield from _finding("ending", "No mark at the end", what, propose(bare, _marked))
    elif share <= (1 - MOST) * total:
        what = f"{total - share:,} of {total:,} labels end without a mark."
        yield from _finding("ending", "A mark at the end", what, propose(ended, _unmarked))


def _marked(text: str) -> tuple[str, list[str]]:
    return text.rstrip(" ,;:-") + ("?" if _QUESTION.match(text) else "."), ["ending"]


def _unmarked(text: str) -> tuple[str, list[str]]:
    return re.sub(r"\s*[.?!]+$", "", text), ["ending"]


def _numbers(clips: Sequence[Utterance]) -> Iterator[StyleFinding]:
    with_digits = [clip for clip in clips if still_holds(clip.text, "words")]
    with_words = [clip for clip in clips if still_holds(clip.text, "digits")]
    if not with_digits or not with_words:
        return
    to_words = len(with_words) > len(with_digits)
    rules: WordRules | DigitRules = WordRules() if to_words else DigitRules()
    odd = with_digits if to_words else with_words
    proposals = propose(odd, lambda text: rewrite(text, rules))
    mended = {item.id for item in proposals}
    what = (
        f"{counted(len(with_digits), 'label writes', 'labels write')} numbers as digits, {len(with_words):,} as words."
    )
    stuck = [clip.text for clip in odd if clip.id not in mended]
    yield from _finding("numbers", "Numbers in two ways", what, proposals, stuck)


def _unknown(clips: Sequence[Utterance], known: Known) -> Iterator[StyleFinding]:
    strange = Counter(char for clip in clips for char in set(clip.text) if not char.isspace() and not known(char))
    if not strange:
        return
    affected = [clip for clip in clips if any(char in strange for char in clip.text)]
    proposals = propose(affected, lambda text: _known_only(text, known))
    mended = {item.id for item in proposals}
    named = " ".join(char for char, _ in strange.most_common(12))
    what = f"The model's tokenizer has no token for {named}: it would spell them byte by byte."
    stuck = [clip.text for clip in affected if clip.id not in mended]
    yield from _finding("tokenizer", "Characters that the model does not know", what, proposals, stuck)


def _known_only(text: str, known: Known) -> tuple[str, list[str]]:
    """`text` in characters that the tokenizer knows, as far as each has an equivalent; else as it was."""
    after = "".join(_equivalent(char, known) for char in clean(text)[0])
    return (after, ["known characters"]) if all(char.isspace() or known(char) for char in after) else (text, [])


def _equivalent(char: str, known: Known) -> str:
    if char.isspace() or known(char):
        return char
    bare = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    options = (option for option in (char.lower(), bare, bare.lower()) if option and all(map(known, option)))
    return next(options, char)
