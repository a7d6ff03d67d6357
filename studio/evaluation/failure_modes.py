"""Alarms: a model that runs in a loop, runs away, stops short, or writes words that were not spoken.

Word error rate hides them: one clip of a hundred that ends in `and and and …` costs a point or two, and sends a
person who dictates back to typing. Greedy decoders do it when an adapter has learnt too much from too little, and
recognisers of this kind write sentences for silence (Koenecke et al. 2024, "Careless Whisper", arXiv:2402.08021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from studio.config import Kind as DatasetKind
from studio.models.base import Clip
from studio.text import counted, spoken

if TYPE_CHECKING:
    from studio.models.base import Recogniser

Kind = Literal["loop", "runaway", "cut short", "made up"]

PROBE_SECONDS = 5.0
NOISE_LEVEL = 0.01  # standard deviation of white noise: -40 dBFS, a loud room
LONGEST_PHRASE = 6  # words (or characters within a word) that repeat together
LEAST_WORDS, LEAST_CHARACTERS = 4, 8  # repetitions in a row from which on it is a loop
MORE_THAN_SAID = 2  # repetitions: whoever dictates 0000 is not a loop
RUNAWAY_TIMES, RUNAWAY_WORDS = 2, 4  # a text is too long from twice its reference and four words on
FASTEST = 40.0  # characters a second: twice as fast as an auctioneer
LONGER = 2  # times: a made-up or endless text is worse than another from there on
CUT_SHARE, CUT_WORDS = 3, 3  # a text is too short below a third of its reference, three words or more missing
SHOWN = 60  # characters of a text in a sentence


class Probe(BaseModel):
    """What a model wrote for a sound without speech."""

    model_config = ConfigDict(frozen=True)

    sound: Literal["silence", "noise"]
    seconds: float
    text: str


class Alarm(BaseModel):
    """One text that no person would have written."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    where: str  # the clip's id, or the sound of a probe
    text: str  # what was written

    @property
    def is_endless(self) -> bool:
        """Whether the text repeats itself, in a clip or for a sound without speech."""
        return self.kind == "loop" or (self.kind == "made up" and _repeats(spoken(self.text).split()))

    def is_worse_than(self, other: Alarm | None) -> bool:
        """Whether it is worse than `other`, of another model in the same place: by kind, then by length."""
        if other is None or self.is_endless != other.is_endless:
            return other is None or self.is_endless
        if self.kind == "cut short" or other.kind == "cut short":
            return self.kind != other.kind and self.kind != "cut short"
        return len(self.text.split()) > LONGER * max(1, len(other.text.split()))


def probes(recogniser: Recogniser) -> list[Probe]:
    """What `recogniser` writes for five seconds of silence, and of noise: the same sounds each time.

    Nothing is asked of a model that takes typed text.
    """
    family = recogniser.family
    if family.kind == "typing":
        return []
    length = round(PROBE_SECONDS * family.sample_rate)
    noise = np.random.default_rng(0).standard_normal(length) * NOISE_LEVEL
    clips = [Clip(np.zeros(length, np.float32), id="silence"), Clip(noise.astype(np.float32), id="noise")]
    texts = [hypothesis.text for hypothesis in family.transcribe_batch(recogniser.model, recogniser.processor, clips)]
    return [
        Probe(sound="silence", seconds=PROBE_SECONDS, text=texts[0]),
        Probe(sound="noise", seconds=PROBE_SECONDS, text=texts[1]),
    ]


def of_text(reference: str, hypothesis: str, seconds: float) -> Kind | None:
    """What is alarming about `hypothesis` for a clip of `seconds` in which `reference` was said, if anything.

    Of typing, `seconds` are infinite: a text cannot be too long for them.

    Both are compared as spoken, so that `0000` is four words, whoever wrote it.
    """
    said, written = spoken(reference).split(), spoken(hypothesis).split()
    if _repeats(written, said):
        return "loop"
    if len(written) > RUNAWAY_TIMES * len(said) + RUNAWAY_WORDS or len(" ".join(written)) > FASTEST * max(seconds, 1):
        return "runaway"
    if CUT_SHARE * len(written) < len(said) and len(said) - len(written) >= CUT_WORDS:
        return "cut short"
    return None


def of_probe(probe: Probe) -> Alarm | None:
    """The alarm where anything was written for a sound without speech."""
    return Alarm(kind="made up", where=probe.sound, text=probe.text) if spoken(probe.text) else None


def worse(before: Sequence[Alarm] | None, after: Sequence[Alarm] | None) -> list[Alarm]:
    """The alarms of `after` that `before` did not raise in the same place, or raised for something less bad."""
    earlier = {alarm.where: alarm for alarm in before or []}
    return [alarm for alarm in after or [] if alarm.is_worse_than(earlier.get(alarm.where))]


def sentence(before: Sequence[Alarm] | None, after: Sequence[Alarm] | None, kind: DatasetKind = "speech") -> str:
    """Both models' alarms for a person, in a sentence or two; None: this was not looked for."""
    if after is None:
        return "This run is of an earlier version, which did not look for loops and made-up words."
    earlier = summary(before or []) or "none"
    if not after:
        rest = f" Before tuning: {earlier}." if before else ""
        silent = ", and silence and noise stay empty" if kind == "speech" else ""
        return f"No alarm: no text loops, runs away or stops short{silent}.{rest}"
    how = "Alarm, worse than before tuning" if worse(before, after) else "Alarm, no worse than before tuning"
    return f"{how}: {summary(after)}. Before tuning: {earlier}."


def summary(alarms: Sequence[Alarm]) -> str:
    """`2 clips loop (“and and and …”), 1 clip stops short, “thank you” written for silence`."""
    verbs = {
        "loop": ("loops", "loop"),
        "runaway": ("runs away", "run away"),
        "cut short": ("stops short", "stop short"),
    }
    parts = []
    for kind, (one, many) in verbs.items():
        found = [alarm for alarm in alarms if alarm.kind == kind]
        if found:
            clips = counted(len(found), f"clip {one}", f"clips {many}")
            parts.append(f"{clips} (“{_short(found[0].text)}”)")
    made_up = [alarm for alarm in alarms if alarm.kind == "made up"]
    return ", ".join(parts + [f"“{_short(alarm.text)}” {_manner(alarm)} for {alarm.where}" for alarm in made_up])


def _manner(alarm: Alarm) -> str:
    return "repeated endlessly" if alarm.is_endless else "written"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 2].rstrip() + " …"


def _repeats(written: Sequence[str], said: Sequence[str] = ()) -> bool:
    """Whether words, or characters within one, are repeated in a row more often than in what was said."""
    words, characters = _loops(written), _stutters(written)
    return (words >= LEAST_WORDS and words >= _loops(said) + MORE_THAN_SAID) or (
        characters >= LEAST_CHARACTERS and characters >= _stutters(said) + MORE_THAN_SAID
    )


def _loops(items: Sequence[str]) -> int:
    """The most often that a phrase of up to LONGEST_PHRASE `items` is repeated in a row: 3 in `go on go on go on`."""
    most = min(len(items), 1)
    for size in range(1, min(LONGEST_PHRASE, len(items) // 2) + 1):
        same = 0
        for place in range(size, len(items)):
            same = same + 1 if items[place] == items[place - size] else 0
            most = max(most, same // size + 1)
    return most


def _stutters(words: Sequence[str]) -> int:
    """The same for characters within one word: 8 in `nananananananana`."""
    return max((_loops(word) for word in words), default=0)
