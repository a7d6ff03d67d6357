"""The voice that `studio demo` tunes on: one that the starter never heard, and hears badly enough to learn
from.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from studio.starter import domain
from studio.starter.recipe.corpus import SpokenText, resampled, trimmed
from studio.starter.synthesis import SyntheticVoice, synthesise, voice

TRAIN_CLIPS, TEST_CLIPS = 40, 20
_STREAM = "demo prompts"  # apart from every seed of the recipe's corpus


@dataclass(frozen=True, slots=True)
class DemoVoice:
    """A synthetic speaker: a voice, and factors on its own rate and pitch."""

    voice: SyntheticVoice
    rate: float = 1.0
    pitch: float = 1.0

    def say(self, text: str) -> SpokenText:
        """One 16 kHz clip of `text`, digits read by name. Raises DeviceError without the synthesiser."""
        sound, sample_rate = synthesise(domain.spoken(text), self.voice, self.rate, self.pitch)
        return SpokenText(trimmed(resampled(sound, sample_rate))[0], text, str(self.voice))


DEMO_VOICE = DemoVoice(voice("espeak-ng:en-us+whisperf"))  # a whisper: one digit in three is misheard


def prompts(seed: int, count: int = TRAIN_CLIPS + TEST_CLIPS) -> list[str]:
    """`count` different texts in the manner of the *Numbers* script; the same seed gives the same."""
    rng = random.Random(f"{_STREAM}/{seed}")
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[domain.numbers_prompt(rng).text] = None
    return list(texts)


def recorded(seed: int, speaker: DemoVoice = DEMO_VOICE) -> Iterator[SpokenText]:
    """The demo's clips: first TRAIN_CLIPS to learn from, then TEST_CLIPS held out."""
    return (speaker.say(text) for text in prompts(seed))
