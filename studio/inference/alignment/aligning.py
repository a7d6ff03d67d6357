"""The words of a text laid over the sound in which it is said: forced alignment.

The text is given, never guessed: a decoder is made to write it, and its cross-attention shows where it looks for each
word (openai/whisper, timing.py: the scores of each frame compared over the tokens, a median filter, the mean of the
alignment heads). What it shows is right about the order and coarse about borders, so the borders are put where the
loudness rises and falls: see `segmentation`. The weights below were chosen on joined digits and synthetic speech,
tests/benchmarks/README.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from studio.audio.spectrum import HOP
from studio.data.word_times import Words
from studio.errors import DataError, ModelError
from studio.inference.alignment.loudness import Levels, levels, rises
from studio.inference.alignment.segmentation import Evidence, Scores, segments
from studio.models import Clip, Recogniser
from studio.models.attention import cross_attention
from studio.models.encoder_decoder import EncoderDecoder, base_of
from studio.text import counted, digits_to_words
from studio.text.label_words import label_words, letters

RATE = 16_000  # Hz, of sound that is aligned without a model

ATTENTION = 0.2  # what a standard deviation of attention counts for, in nats a frame
LATE = 0.05  # seconds by which attention to a word comes before its sound
MEDIAN = 7  # frames of attention, as Whisper's own
SPEECH = 0.3  # level at which a frame is as likely speech as not
SHARPNESS = 0.25 * SPEECH  # how fast that turns
VOICE = 0.25  # what the odds of speech count for
EDGE = 5.0  # what a rise over the whole range counts for as a start; a fall as an end counts half
STEADY = 3.0  # nats that a word loses which lasts e times as long as usual, or as short
OVERHEAD = 1.5  # letters that every word lasts longer than its own
LONGEST = 2.5  # seconds of one word


def align(recogniser: Recogniser | None, samples: NDArray[np.float32], text: str) -> Words:
    """Start and end (seconds) of each word of `text`, said in `samples`, mono at the recogniser's rate (or RATE Hz).

    The words are those of `label_words`. Without a recogniser the words are laid by loudness and letters alone: a rough
    guess. Raises DataError where the clip is too short or too long for the model or its words, or the text too long;
    ModelError where the model has no decoder that looks at the sound.
    """
    words = label_words(text)
    rate = recogniser.family.sample_rate if recogniser else RATE
    if not words or not len(samples):
        return []
    level = levels(samples, rate)[: max(1, round(len(samples) / rate / HOP))]
    parts = [_said(word) for word in words]
    counts = [len(said) for said in parts]
    if len(level) < sum(counts):
        what = f"The clip lasts {len(samples) / rate:.2f} s, too short for its label of {counted(sum(counts), 'word')}."
        raise DataError(what, "Correct the label, or record it again.")
    speech = 1 / (1 + np.exp((SPEECH - level) / SHARPNESS))
    within = np.tile(VOICE * (np.log(speech + 1e-3) - np.log(1 - speech + 1e-3)), (len(words), 1))
    if recogniser:
        within += ATTENTION * speech * _attention(recogniser, samples, words, len(level))
    evidence = _evidence([part for said in parts for part in said], np.repeat(within, counts, axis=0), level, speech)
    return _of_words(words, counts, segments(evidence), len(samples) / rate)


def _said(word: str) -> list[str]:
    """What is said of `word` one after the other: `129` is three words, with pauses between them perhaps."""
    return digits_to_words(word).split() if re.search(r"\d", word) else [word]


def _of_words(words: Sequence[str], counts: Sequence[int], found: Sequence[tuple[int, int]], end: float) -> Words:
    """Each word from the start of its first part to the end of its last, in seconds up to `end`."""
    firsts = np.cumsum([0, *counts])
    times = [(found[first][0], found[last - 1][1]) for first, last in pairwise(firsts)]
    return [
        (word, (round(start * HOP, 3), round(min(stop * HOP, end), 3)))
        for word, (start, stop) in zip(words, times, strict=True)
    ]


def _evidence(parts: Sequence[str], within: Scores, level: Levels, speech: Levels) -> Evidence:
    edges = EDGE * rises(level)
    sizes = [len(letters(part)) + OVERHEAD for part in parts]
    frames = max(float(speech.sum()), len(parts))
    usual = [max(1.0, size / sum(sizes) * frames) for size in sizes]
    longest = max(round(LONGEST / HOP), len(level) // len(parts) + 1)
    return Evidence(within, start=edges, end=-edges / 2, usual=usual, steadiness=STEADY, longest=longest)


def _attention(
    recogniser: Recogniser, samples: NDArray[np.float32], words: Sequence[str], frames: int
) -> NDArray[np.float64]:
    """(words, frames) at every HOP seconds, in standard deviations over the tokens: how much a word is looked for."""
    family, model, processor = recogniser.family, recogniser.model, recogniser.processor
    if not isinstance(family, EncoderDecoder):
        raise ModelError(f"{recogniser.source} does not show when words are said.", "Choose a Whisper.")
    tokens = [family.tokens(base_of(model), processor, word) for word in words]
    family.check_text(model, processor, " ".join(words))
    seen = cross_attention(family, model, processor, Clip(samples), [token for part in tokens for token in part])
    weights = seen.weights.astype(np.float64)
    spread = (weights - weights.mean(1, keepdims=True)) / (weights.std(1, keepdims=True) + 1e-8)
    rows = _smoothed(spread).mean(0)
    borders = np.cumsum([0, *map(len, tokens)])
    of_words = np.stack([rows[first:last].max(0) for first, last in pairwise(borders)])
    places = ((np.arange(frames) * HOP - LATE) / seen.step).astype(int)
    return np.asarray(of_words[:, np.clip(places, 0, of_words.shape[1] - 1)])


def _smoothed(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """A running median over frames."""
    padded = np.pad(weights, ((0, 0), (0, 0), (MEDIAN // 2, MEDIAN // 2)), mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN, axis=-1), axis=-1))
