"""Where a program that listens would have ended the turn, of one utterance: shown in the Test tab.

A Kyutai model says so itself, by its pause heads; for every model there is the page's own hands-free detector, which
knows levels alone.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from studio import audio
from studio.audio.turns import SILENCE, turn_ends
from studio.errors import ModelError
from studio.inference.worker import Worker
from studio.models.catalogue import locate
from studio.models.kyutai.pauses import HORIZONS, USUAL_HEAD, USUAL_THRESHOLD
from studio.models.registry import family_of
from studio.models.word_times import LearnsFromWordTimes
from studio.ui.hearing import ModelSelection


class TurnTrack(BaseModel):
    """What the pause heads of one model said while it read the utterance."""

    model_config = ConfigDict(frozen=True)

    run: str  # empty for the base alone
    seconds: list[float]  # of the utterance, that were heard at each frame
    chances: list[list[float]]  # of each frame, one for each head, 0..1
    first_word: float | None  # seconds heard when the first word was written; before it no client ends a turn


class TurnEnds(BaseModel):
    """One utterance: by each model with pause heads, and by level."""

    model_config = ConfigDict(frozen=True)

    duration: float  # seconds
    tracks: list[TurnTrack]  # none where the model has no pause heads
    horizons: list[float]  # seconds of pause that each head foretells
    head: int  # where a client usually looks, and its threshold
    threshold: float
    by_level: list[float]  # seconds at which the hands-free detector ends a turn
    silence: float  # seconds that it waits for
    note: str  # why there are no tracks, where a model should have them


def turn_ends_of(recogniser: Worker, sound: bytes, chosen: ModelSelection) -> TurnEnds:
    """Where a turn would have ended in `sound`. Raises AudioError where it cannot be read, and as Worker does."""
    _, wave = audio.decode(sound)
    tracks: list[TurnTrack] = []
    note = ""
    if isinstance(family_of(locate(chosen.model)), LearnsFromWordTimes):
        try:
            found = recogniser.pauses(sound, chosen.model, tuple(chosen.adapters.values()))
            tracks = [TurnTrack(run=run, **track) for run, track in zip(("", *chosen.adapters), found, strict=True)]
        except ModelError as error:  # its Candle copy is not on this disk, or has no heads
            note = str(error)
    return TurnEnds(
        duration=wave.duration,
        tracks=tracks,
        horizons=list(HORIZONS),
        head=USUAL_HEAD,
        threshold=USUAL_THRESHOLD,
        by_level=list(turn_ends(wave.samples, wave.sample_rate)),
        silence=SILENCE,
        note=note,
    )
