"""How far a typo reaches: a change beyond it is another word, whatever the model had in mind."""

from __future__ import annotations

from studio.typing.edits import WordEdit
from studio.typing.explain import aligned

_FORGOTTEN = frozenset(".,?!'’")  # marks that people leave out; no typo loses a bracket
_SHARE = 0.4  # of a word's letters that typos may have changed; one may be wrong in any word


def is_paraphrase(edit: WordEdit) -> bool:
    """Whether `edit` is beyond what typos can be: it exchanges, adds or takes away a word."""
    before, after = "".join(edit.source.split()).lower(), "".join(edit.correction.split()).lower()
    if before == after:
        return False
    if not any(letter.isalnum() for letter in before + after):
        return not before and not set(after) <= _FORGOTTEN
    if not before or not after:
        return True
    wrong = sum(was != became for was, became in aligned(before, after))
    return wrong > max(1, _SHARE * max(len(before), len(after)))
