"""A clip's quality at a glance: the verdict, the figures that matter, and what can be done at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

from pydantic import BaseModel, ConfigDict

from studio.audio.edges import offered
from studio.audio.measurements import Quality
from studio.data.quality.pacing import pace
from studio.data.quality.verdicts import Code, Context, Finding, Verdict, findings, verdict

Mark = Literal["fine", "look", "re-record", "unknown"]
_CODES: dict[str, frozenset[Code]] = {
    "Peak": frozenset({"clipped", "offset"}),
    "Loudness": frozenset({"quiet", "no-speech"}),
    "Over noise": frozenset({"noisy"}),
    "Silence": frozenset({"silence", "cut"}),
    "Pace": frozenset({"fast", "slow"}),
}


class Figure(BaseModel):
    """One figure with its unit, and whether it is fine."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: str
    unit: str
    mark: Mark
    about: str  # what it is, in a sentence


class Card(BaseModel):
    """What a person is shown of a clip's quality."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    figures: list[Figure]
    findings: list[Finding]
    trim: float  # seconds of silence that trimming would take off; 0 where it is not offered


def card_of(quality: Quality, *, duration: float, text: str, **context: Unpack[Context]) -> Card:
    """The card of a clip of `duration` seconds."""
    found = findings(quality, duration=duration, text=text, **context)
    return Card(
        verdict=verdict(found),
        figures=_figures(quality, pace(text, quality, duration), found),
        findings=found,
        trim=offered(quality, duration),
    )


def _figures(quality: Quality, own_pace: float | None, found: Sequence[Finding]) -> list[Figure]:
    silence = f"{quality.silence_before:.1f} + {quality.silence_after:.1f}"
    rows = [
        ("Peak", f"{quality.peak_db:.0f}", "dBFS", "The loudest moment; 0 dBFS is as loud as a file can be."),
        ("Loudness", f"{quality.loudness_lufs:.0f}", "LUFS", "How loud the speech is on the whole."),
        ("Over noise", _number(quality.snr_db), "dB", "How much louder the speech is than the noise between words."),
        ("Silence", silence, "s", "Before the first word and after the last."),
        ("Pace", _number(own_pace), "char/s", "Characters of the label for each second of speech."),
    ]
    return [
        Figure(name=name, value=value, unit=unit, mark=_mark(name, value, found), about=about)
        for name, value, unit, about in rows
    ]


def _mark(name: str, value: str, found: Sequence[Finding]) -> Mark:
    if value == _number(None):
        return "unknown"
    return verdict(finding for finding in found if finding.code in _CODES[name])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
