"""Punctuation artefacts: what editors, spreadsheets and other tools leave in labels, and that are never spoken."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

# Soft hyphens, zero widths, directions, marks of byte order. Joiners (200C, 200D) are letters' own in the scripts from
# Arabic to Khmer, where they change how a word is written.
_JOINING = "\u0600-\u0dff\u0f00-\u109f\u1780-\u18af"
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
    f"|(?<![{_JOINING}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINING}])"
)
_SPACES = re.compile(r"\s+")  # no-break and thin ones too
_TAG = re.compile(r"\[[^\[\]]{1,40}\]|<\|?[A-Za-z_/][^<>]{0,40}>")  # [noise], <unk>, <|endoftext|>
_DASH_BETWEEN = re.compile(r"\s+(?:[–—―]+|-{1,3})(?=\s)|(?<=\w)(?:—|--+)(?=\w)")
_DASH_AT_EDGE = re.compile(r"^\s*[-–—•*]+\s+|\s+[-–—]+\s*$")
_WRAPPED = re.compile(r"""^(["“„«'‘])([^"“”„«»]*)(["”“»'’])([.!?]?)$""")
_QUOTES = MappingProxyType(
    str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "`": "'"})
)
_FULL_WIDTH = MappingProxyType(str.maketrans({chr(0xFF10 + digit): str(digit) for digit in range(10)}))

Fix = Callable[[str], str]


def _unwrapped(text: str) -> str:
    found = _WRAPPED.match(text)
    return f"{found[2].strip()}{found[4]}" if found and found[2].strip() else text


def _dashes(text: str) -> str:
    return _DASH_BETWEEN.sub(" ", _DASH_AT_EDGE.sub("", text))


def _marks(text: str) -> str:
    text = re.sub(r"\s*(?:…|\.{2,})\s*$", ".", text)  # a text that trails off ends with one full stop
    text = re.sub(r"…|\.{2,}", " ", text)
    text = re.sub(r"([,;:!?])(?:\s*\1)+", r"\1", text)
    text = re.sub(r"\s+([,;:!?]|\.(?!\w))", r"\1", text)
    return re.sub(r"(?<=[^\W\d_])([,;!?])(?=[^\W\d_])", r"\1 ", text)


FIXES: Mapping[str, tuple[str, Fix]] = MappingProxyType({
    "entities": ("Written for a browser: &amp; &quot;", html.unescape),
    "unseen": ("Invisible characters", lambda text: _UNSEEN.sub("", text)),
    "full-width": ("Full-width digits", lambda text: text.translate(_FULL_WIDTH)),
    "tags": ("Tags: [noise], <unk>", lambda text: _TAG.sub(" ", text)),
    "wrapped": ("Quotes around the whole label", _unwrapped),
    "quotes": ("Curly quotes and apostrophes", lambda text: text.translate(_QUOTES)),
    "dashes": ("Dashes between words", _dashes),
    "marks": ("Doubled or misplaced punctuation", _marks),
    "spaces": ("Doubled or odd spaces", lambda text: _SPACES.sub(" ", text).strip()),
})  # fmt: skip
"""What is fixed, in this order: a name for people, and how."""


def clean(text: str) -> tuple[str, list[str]]:
    """`text` without artefacts, and the names in FIXES of what was fixed. Cleaning twice changes nothing more."""
    used: list[str] = []
    is_spaced_well = text == _SPACES.sub(" ", text).strip()
    for _ in range(4):  # what one fixes may uncover another: quotes around a dash around quotes
        before = text
        for name, (_, fix) in FIXES.items():
            after = fix(text)
            if _SPACES.sub(" ", after).strip() != _SPACES.sub(" ", text).strip() or (
                name == "spaces" and after != text
            ):
                used.append(name)
                text = after
        if text == before:
            break
    return text, [name for name in dict.fromkeys(used) if name != "spaces" or not is_spaced_well]
