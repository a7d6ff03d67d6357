"""Typos made on purpose: seeded, of known kinds, as one keyboard and one person's habits make them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from studio.typing.keyboards import Keyboard
from studio.typing.kinds import Typo, TypoKind, applied
from studio.typing.profile import Profile

MOST_SHARE = 0.5  # of a text's words that get a typo: with more it is no longer clear what was meant
IDENTITY = 0.4  # share of pairs without any typo: what teaches a model to leave alone what is right
LEAST_IDENTITY = 0.3
_ALONG = 0.25  # of the neighbouring keys hit: along with the right one, not instead of it
_STRANGE = 5  # typos of a kind that must be known before half of the new ones repeat a habit

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LETTER_PAIR = re.compile(r"(?=([^\W\d_])([^\W\d_]))")

SOUNDS: tuple[tuple[str, str], ...] = (
    ("ie", "ei"), ("ei", "ie"), ("ph", "f"), ("tion", "sion"), ("ance", "ence"), ("ence", "ance"), ("ant", "ent"),
    ("ent", "ant"), ("able", "ible"), ("ible", "able"), ("ck", "k"), ("ough", "uf"), ("wh", "w"), ("kn", "n"),
    ("mm", "m"), ("ll", "l"), ("ss", "s"), ("rr", "r"), ("tt", "t"), ("cc", "c"), ("nn", "n"), ("pp", "p"),
    ("ery", "ary"), ("ary", "ery"), ("ise", "ize"), ("eau", "o"), ("que", "k"), ("sc", "s"), ("qu", "kw"),
    ("ceed", "cede"), ("ight", "ite"), ("ea", "ee"), ("ai", "ay"), ("ou", "u"), ("er", "or"), ("or", "er"),
    ("ite", "ate"), ("eni", "ene"), ("ly", "ley"), ("full", "ful"), ("ful", "full"), ("u", "oo"),
)  # fmt: skip
"""Spellings that sound alike in English: how it is written, and how it is often typed."""
WHOLE_WORDS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "their": ("there", "thier"), "there": ("their",), "they're": ("their", "there"), "your": ("you're",),
        "you're": ("your",), "its": ("it's",), "it's": ("its",), "then": ("than",), "than": ("then",),
        "too": ("to",), "to": ("too",), "lose": ("loose",), "definitely": ("definately", "definitly"),
        "separate": ("seperate",), "receive": ("recieve",), "which": ("wich",), "because": ("becuase", "becouse"),
        "until": ("untill",), "tomorrow": ("tommorow", "tomorow"), "were": ("where",), "where": ("were",),
        "quite": ("quiet",), "quiet": ("quite",), "weather": ("whether",), "whether": ("weather",),
        "would have": ("would of",), "should have": ("should of",), "could have": ("could of",), "a lot": ("alot",),
        "address": ("adress",), "really": ("realy",), "necessary": ("neccessary", "necesary"), "believe": ("beleive",),
    }
)  # fmt: skip
_WHOLE = re.compile(rf"\b({'|'.join(sorted(WHOLE_WORDS, key=len, reverse=True))})\b")
_DROPPED_POINTS = re.compile(r"(?<=[^\W_])['’](?=[^\W_])|,(?= )|[.!?]$|-(?=[^\W_])")


@dataclass(frozen=True, slots=True)
class TypedText:
    """A clean text, as it might be typed."""

    wanted: str
    typed: str
    typos: tuple[Typo, ...]


def typed(text: str, profile: Profile, keyboard: Keyboard, rng: random.Random) -> TypedText:
    """`text` with as many typos as `profile` makes in its length, each in a word of its own.

    The same state of `rng` gives the same typos. A text may come out clean.
    """
    kinds = list(profile.rates)
    expected = sum(profile.rates.values()) * len(text) / 100
    words = max(1, len(_WORD.findall(text)))
    wanted = min(_about(expected, rng), max(1, int(words * MOST_SHARE)))
    found: list[Typo] = []
    for _ in range(wanted if kinds else 0):
        kind = rng.choices(kinds, [profile.rates[kind] for kind in kinds])[0]
        typo = _one(text, kind, profile, keyboard, rng)
        if typo is not None and typo.was != typo.became and not any(_touch(text, typo, other) for other in found):
            found.append(typo)
    found.sort(key=lambda typo: typo.at)
    return TypedText(text, applied(text, found), tuple(found))


def pairs(
    texts: Sequence[str], profile: Profile, keyboard: Keyboard, seed: int, identity: float = IDENTITY
) -> Iterator[TypedText]:
    """Each of `texts` once, in their order; the share `identity` of them without a typo.

    The same `seed` gives the same pairs, and a text's typos depend on the seed, the text and its place alone.
    """
    for place, text in enumerate(texts):
        rng = random.Random(f"{seed}/{place}/{text}")
        if rng.random() < identity:
            yield TypedText(text, text, ())
        else:
            yield typed(text, profile, keyboard, rng)


def _about(expected: float, rng: random.Random) -> int:
    """A whole number around `expected` and not below 1, as different as sentences are."""
    spread = rng.choice((0.5, 0.75, 1.0, 1.25, 1.5)) * expected
    return max(1, int(spread + rng.random()))


def _touch(text: str, one: Typo, other: Typo) -> bool:
    """Whether no space lies between them that neither has changed: they are in one word."""
    first, second = sorted((one, other), key=lambda typo: (typo.at, typo.end))
    return first.end > second.at or " " not in text[first.end : second.at]


def _one(text: str, kind: TypoKind, profile: Profile, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    """A typo of `kind` somewhere in `text`: a habit of the person where one fits, else one of the kind in general."""
    habits = profile.habits.get(kind, {})
    known = sum(habits.values())
    if known and rng.random() < known / (known + _STRANGE):
        fitting = [
            (Typo(kind, at, was, became), count)
            for change, count in habits.items()
            for was, _, became in [change.partition("→")]
            for at in _places(text, was)
        ]
        if fitting:
            return rng.choices([typo for typo, _ in fitting], [count for _, count in fitting])[0]
    return _GENERAL[kind](text, keyboard, rng)


def _places(text: str, was: str) -> list[int]:
    """Where `was` occurs; a letter that comes from nowhere has no place of its own."""
    return [match.start() for match in re.finditer(re.escape(was), text)] if was else []


def _letters(text: str) -> list[int]:
    return [at for at, letter in enumerate(text) if letter.isalpha()]


def _neighbour(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    places = [at for at in _letters(text) if keyboard.neighbours(text[at])]
    if not places:
        return None
    at = rng.choice(places)
    hit = rng.choice([key for key in keyboard.neighbours(text[at]) if key.isalnum() or rng.random() < 0.3] or [""])
    if not hit:
        return None
    if rng.random() >= _ALONG:
        return Typo("neighbour", at, text[at], hit)
    return Typo("neighbour", at, text[at], rng.choice((text[at] + hit.lower(), hit + text[at].lower())))


def _doubled(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    places = [at for at in _letters(text) if at == 0 or text[at - 1] != text[at]]
    if not places:
        return None
    at = rng.choice(places)
    return Typo("doubled", at, text[at], text[at] + text[at].lower())


def _dropped(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    words = [match for match in _WORD.finditer(text) if len(match[0]) > 2]
    if not words:
        return None
    word = rng.choice(words)
    at = word.start() + rng.randrange(1, len(word[0]))
    return Typo("dropped", at, text[at], "") if text[at].isalpha() else None


def _swapped(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    places = [match.start() for match in _LETTER_PAIR.finditer(text) if match[1].lower() != match[2].lower()]
    if not places:
        return None
    at = rng.choice(places)
    first, second = text[at], text[at + 1]
    if first.isupper() and second.islower():
        return Typo("swapped", at, first + second, second.upper() + first.lower())
    return Typo("swapped", at, first + second, second + first)


def _joined(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    places = [at for at in range(1, len(text) - 1) if text[at] == " " and text[at - 1] != " "]
    if not places:
        return None
    at = rng.choice(places)
    return Typo("joined", at, " ", "")


def _split(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    words = [match for match in _WORD.finditer(text) if len(match[0]) > 3]
    if not words:
        return None
    word = rng.choice(words)
    at = word.start() + rng.randrange(len(word[0]) - 1)
    return Typo("split", at, text[at], text[at] + " ")


def _spaced(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    places = [(match.start(), match[0]) for match in re.finditer(r"(?<=\w) (?=\w)|(?<=\w)[,.?!](?= |$)", text)]
    if not places:
        return None
    at, was = rng.choice(places)
    return Typo("spaced", at, was, " " + was)


def _case(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    words = list(_WORD.finditer(text))
    capitals = [word for word in words if word[0][0].isupper()]
    if not words:
        return None
    if capitals and rng.random() < 0.8:
        at = rng.choice(capitals).start()
        second = text[at + 1 : at + 2]
        if second.islower() and rng.random() < 0.25:
            return Typo("case", at + 1, second, second.upper())
        return Typo("case", at, text[at], text[at].lower())
    at = rng.choice(words).start()
    return Typo("case", at, text[at], text[at].upper()) if text[at].islower() else None


def _punctuation(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    places = [(match.start(), match[0]) for match in _DROPPED_POINTS.finditer(text)]
    if not places:
        return None
    at, was = rng.choice(places)
    others = {".": (",", ".."), ",": (".", ",,"), "'": (";", "''"), "’": ("'",), "?": ("/", "??"), "!": ("1", "!!")}
    return Typo("punctuation", at, was, "" if rng.random() < 0.6 else rng.choice(others.get(was, ("",))))


def _phonetic(text: str, keyboard: Keyboard, rng: random.Random) -> Typo | None:
    whole = [(match.start(), match[0]) for match in _WHOLE.finditer(text)]
    if whole and rng.random() < 0.5:
        at, was = rng.choice(whole)
        return Typo("phonetic", at, was, rng.choice(WHOLE_WORDS[was]))
    found = [
        Typo("phonetic", match.start(), was, became)
        for was, became in SOUNDS
        for match in re.finditer(rf"(?<=[a-z]){was}" if was != "kn" and was != "wh" else was, text)
    ]
    return rng.choice(found) if found else None


_GENERAL: Mapping[TypoKind, Callable[[str, Keyboard, random.Random], Typo | None]] = MappingProxyType(
    {
        "neighbour": _neighbour,
        "doubled": _doubled,
        "dropped": _dropped,
        "swapped": _swapped,
        "joined": _joined,
        "split": _split,
        "spaced": _spaced,
        "case": _case,
        "punctuation": _punctuation,
        "phonetic": _phonetic,
    }
)
