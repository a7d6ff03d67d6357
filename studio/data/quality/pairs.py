"""What is to be said about a typing pair: sides that do not belong together, and secrets that no model should learn."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Levenshtein

from studio.data.pair import LONGEST_SIDE, Pair
from studio.data.quality.verdicts import Finding
from studio.text import counted

LEAST_CHARACTERS = 8  # of the longer side: one key changes much of a shorter one
WIDEST_RATIO = 2.0  # of the lengths of the two sides: fingers neither double a sentence nor halve it
MOST_CHANGED = 0.45  # of the characters: heavy typists stay below 0.25; a sentence in other words begins at about 0.5

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_CARD = re.compile(r"(?<![\d-])(?:\d[ -]?){12,18}\d(?![\d-])")
_PASSWORD = re.compile(
    r"\b(?:pass ?word|passwd|pwd|passwort|kennwort|mot de passe|contraseña|pin)\b\s*(?:is|:|=)\s*\S+", re.IGNORECASE
)
_KEY = re.compile(r"\b(?:sk|pk|ghp|gho|hf|xox[abp])[-_][A-Za-z0-9_-]{16,}|\bAKIA[0-9A-Z]{16}\b")
_DIRECTIONS = frozenset(
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)  # marks of writing direction


def findings(pair: Pair, duplicates: Sequence[str] = ()) -> list[Finding]:
    """What is to be said about `pair`, the worst first; `duplicates` are ids of pairs with the same typed text."""
    if not (pair.typed.strip() and pair.text.strip()):
        empty = "typed" if not pair.typed.strip() else "corrected"
        found = [_look("empty", f"The {empty} text is empty.", "Write it, or delete the pair.")]
    else:
        found = [*_script(pair), *_length(pair)] or [*_paraphrase(pair)]  # one fault, one finding
    found += [*_characters(pair), *_secrets(pair), *_twins(duplicates)]
    return sorted(found, key=lambda finding: finding.verdict == "note")


def _look(code: str, what: str, remedy: str) -> Finding:
    return Finding.model_validate({"code": code, "verdict": "look", "what": what, "remedy": remedy})


def _length(pair: Pair) -> Iterator[Finding]:
    longest, shortest = max(len(pair.typed), len(pair.text)), min(len(pair.typed), len(pair.text))
    if longest > LONGEST_SIDE:
        yield _look("long", f"One side has {longest:,} characters.", "Cut it into sentences.")
    if longest >= LEAST_CHARACTERS and longest > WIDEST_RATIO * shortest:
        what = f"{len(pair.typed):,} characters were typed, and the corrected text has {len(pair.text):,}."
        yield _look("ratio", what, "Is a part missing, or is it another pair's text?")


def _paraphrase(pair: Pair) -> Iterator[Finding]:
    longest = max(len(pair.typed), len(pair.text))
    if longest < LEAST_CHARACTERS or longest > LONGEST_SIDE:
        return
    share = Levenshtein.normalized_distance(pair.typed.casefold(), pair.text.casefold())
    if share > MOST_CHANGED:
        what = f"{share:.0%} of the characters differ, more than fingers mistype: this is a paraphrase."
        yield _look("paraphrase", what, "Keep what was meant and correct only its typos.")


def _script(pair: Pair) -> Iterator[Finding]:
    typed, meant = _scripts(pair.typed), _scripts(pair.text)
    if typed and meant and not typed & meant:
        what = f"It was typed in {_named(typed)} letters and corrected to {_named(meant)} ones."
        yield _look("script", what, "Write both sides in one script, or delete the pair.")


def _scripts(text: str) -> set[str]:
    """`LATIN`, `CYRILLIC`, `CJK` …: those of at least a tenth of the letters."""
    letters = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    return {script for script, count in letters.items() if script and count * 10 >= letters.total()}


def _named(scripts: set[str]) -> str:
    return " and ".join(sorted(script.capitalize() if len(script) > 3 else script for script in scripts))


def _characters(pair: Pair) -> Iterator[Finding]:
    both = pair.typed + pair.text
    hidden = {char for char in both if unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") or char in _DIRECTIONS}
    if hidden:
        which = ", ".join(sorted(f"U+{ord(char):04X}" for char in hidden)[:3])
        yield _look(
            "control",
            f"It holds invisible control characters ({which}).",
            "Delete them: a model would learn what cannot be seen.",
        )


def secrets_in(pair: Pair) -> list[str]:
    """What `pair` holds that no model should learn: `an e-mail address`, `a card number` …; none in most."""
    both = f"{pair.typed}\n{pair.text}"
    kinds = {
        "an e-mail address": _EMAIL.search(both),
        "a card number": any(passes_luhn(match[0]) for match in _CARD.finditer(both)),
        "a password": _PASSWORD.search(both),
        "an access key": _KEY.search(both),
    }
    return [kind for kind, is_there in kinds.items() if is_there]


def _secrets(pair: Pair) -> Iterator[Finding]:
    if found := secrets_in(pair):
        what = f"It holds {' and '.join(found)}, which a model may learn by heart and write for others."
        yield _look("secret", what, "Put a made-up one in its place, or delete the pair.")


def passes_luhn(number: str) -> bool:
    """Whether the digits of `number` have the check digit of a card (Luhn, US patent 2 950 048)."""
    digits = [int(char) for char in reversed(number) if char.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _twins(duplicates: Sequence[str]) -> Iterator[Finding]:
    if duplicates:
        what = f"The same text was typed in {counted(len(duplicates), 'other pair')}."
        yield _look("twin", what, "Keep one of them: copies count twice, and two corrections confuse a model.")
