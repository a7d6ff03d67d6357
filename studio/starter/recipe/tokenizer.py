"""The starter's tokenizer: every domain word one token, every digit one token, letters for the rest.

A Unigram model whose scores are set by hand, so that the longest known piece always wins: `order number 12
one cat` -> `▁order ▁number ▁ 1 2 ▁one ▁ c a t`. A bare `▁` (a space) precedes a digit string; so a
change of convention, digits to words, is a change of whole tokens and never new spelling. What is neither
word, digit nor letter falls back to bytes, so every text comes back as it was.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from studio.starter.domain import vocabulary
from studio.text import DIGIT_NAMES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPACE = "▁"
UNKNOWN, START, END, PAD = range(4)  # ids; all distinct, so that padding never hides the end token
MAX_TOKENS = 194  # of one transcript, as Moonshine's
_SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
_PUNCTUATION = "'.,?!-:;/&@#$%+()\""
_WORD_SCORE, _LETTER_SCORE, _BYTE_SCORE = -1.0, -5.0, -20.0


def pieces() -> list[tuple[str, float]]:
    """The vocabulary in order of ids, with scores: special, space, digits, letters, punctuation, words,
    bytes.
    """
    single = [(piece, _LETTER_SCORE) for piece in (SPACE, *string.digits, *string.ascii_lowercase, *_PUNCTUATION)]
    words = [(SPACE + word, _WORD_SCORE) for word in vocabulary() if len(word) > 1]
    byte_pieces = [(f"<0x{byte:02X}>", _BYTE_SCORE) for byte in range(256)]
    return [(piece, 0.0) for piece in _SPECIAL] + single + words + byte_pieces


def spoken_size() -> int:
    """How many leading ids can name something that is said: all but the bytes."""
    return len(pieces()) - 256


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer that is shipped as tokenizer.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fast = Tokenizer(models.Unigram(pieces(), unk_id=UNKNOWN, byte_fallback=True))
    fast.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True)
    fast.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_TOKENS,
    )


class Targets:
    """From text to the decoder's target, the CTC target, and where each decoder token is heard."""

    def __init__(self) -> None:
        ids = {piece: place for place, (piece, _) in enumerate(pieces())}
        self.tokenizer = make_tokenizer()
        self.space = ids[SPACE]
        self.words = {ids[SPACE + word]: word for word in vocabulary() if len(word) > 1}
        self.letters = {letter: ids[letter] for letter in string.ascii_lowercase}
        self.heard_as = {ids[SPACE + name]: ids[str(digit)] for digit, name in enumerate(DIGIT_NAMES)}

    def encode(self, text: str, spelled: float | None = None) -> tuple[list[int], list[int], list[int]]:
        """Decoder ids (without END), CTC ids, and for every decoder id the place of its CTC unit.

        CTC units are what is *said*: a digit and its name are one unit, a bare space is none. `spelled` in
        [0, 1) picks one word that the decoder writes letter by letter, so that letters are trained on words
        whose sound is known.
        """
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        victims = [place for place, token in enumerate(ids) if token in self.words]
        victim = victims[int(spelled * len(victims))] if spelled is not None and victims else -1
        decoder, ctc, owner = [], [], []
        for place, token in enumerate(ids):
            if token != self.space:
                ctc.append(self.heard_as.get(token, token))
            written = self._letters(token) if place == victim else [token]
            decoder.extend(written)
            owner.extend([len(ctc) - (token != self.space)] * len(written))
        return decoder, ctc, owner

    def _letters(self, token: int) -> list[int]:
        return [self.space, *(self.letters[letter] for letter in self.words[token])]
