"""What the figures of a recording mean: each finding a sentence with its figure, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict

from studio.audio.measurements import Quality
from studio.audio.thresholds import THRESHOLDS
from studio.data.quality.pacing import pace
from studio.text import counted, spoken

Code = Literal[
    "no-speech", "cut", "clipped", "quiet", "noisy", "silence", "pause", "long", "fast", "slow",
    "offset", "telephone", "doubled", "dropped", "click", "twin",
    "empty", "ratio", "paraphrase", "script", "control", "secret",
]  # fmt: skip
Verdict = Literal["fine", "look", "re-record"]
NAMES: dict[Code, str] = {
    "no-speech": "No speech",
    "cut": "First or last word cut off",
    "clipped": "Clipped",
    "quiet": "Very quiet",
    "noisy": "Noisy",
    "silence": "Long silence at an edge",
    "pause": "Long pause",
    "long": "Long clip",
    "fast": "Label too long for the clip",
    "slow": "Label too short for the clip",
    "offset": "Off centre",
    "telephone": "Telephone bandwidth",
    "doubled": "Doubled sound",
    "dropped": "Gap in the sound",
    "click": "Missing sound",
    "twin": "Same sound twice",
    "empty": "Empty side",
    "ratio": "Sides of very different length",
    "paraphrase": "Paraphrase",
    "script": "Two scripts",
    "control": "Control characters",
    "secret": "Secret",
}
"""What lists call the findings."""

_SEVERITY = ("re-record", "look", "note")
_AGAIN = "Record it again."
_BUFFERS = "The computer was too busy. Close other programs and record it again."


class Finding(BaseModel):
    """One thing that a person should know about a clip."""

    model_config = ConfigDict(frozen=True)

    code: Code
    verdict: Literal["look", "re-record", "note"]  # a note is no reproach
    what: str  # one sentence, with the figure
    remedy: str = ""


class Context(TypedDict):
    """What a clip is judged by besides its own figures and label: `Table.context` alone works it out."""

    usual_pace: float | None  # of its speaker, characters a second
    duplicates: Sequence[str]  # ids of the clips with the same samples
    is_synthetic: bool  # a synthesiser's clips begin and end with the voice: nothing is cut off


def findings(
    quality: Quality,
    *,
    duration: float,
    text: str = "",
    usual_pace: float | None = None,
    duplicates: Sequence[str] = (),
    is_synthetic: bool = False,
) -> list[Finding]:
    """What is to be said about a clip of `duration` seconds, the worst first; none about a good one.

    The rest is its `Context`.
    """
    if not quality.speech_seconds or quality.speech_seconds < THRESHOLDS.least_speech:
        found = [_no_speech(quality), *_sound(quality)]
    else:
        found = [
            *([] if is_synthetic else _cut(quality)),
            *_levels(quality),
            *_sound(quality),
            *_times(quality, duration),
            *_pace(quality, duration, text, usual_pace),
        ]
    return sorted([*found, *_duplicates(duplicates)], key=lambda finding: _SEVERITY.index(finding.verdict))


def verdict(findings: Iterable[Finding]) -> Verdict:
    """The worst of them; notes are fine."""
    found = {finding.verdict for finding in findings}
    return "re-record" if "re-record" in found else "look" if "look" in found else "fine"


def _no_speech(quality: Quality) -> Finding:
    what = f"No speech was found in it (loudness {quality.loudness_lufs:.0f} LUFS)."
    return Finding(code="no-speech", verdict="re-record", what=what, remedy=f"Check the microphone. {_AGAIN}")


def _cut(quality: Quality) -> Iterator[Finding]:
    words = {
        (True, True): ("first and last words", "Wait a moment before you speak and before you stop."),
        (True, False): ("first word", "Wait a moment before you speak."),
        (False, True): ("last word", "Wait a moment before you stop."),
    }
    if cut := words.get((quality.cut_start, quality.cut_end)):
        what, remedy = cut
        yield Finding(code="cut", verdict="look", what=f"The {what} may be cut off.", remedy=f"{_AGAIN} {remedy}")


def _levels(quality: Quality) -> Iterator[Finding]:
    if quality.loudness_lufs < THRESHOLDS.quiet_lufs:
        what = f"It is very quiet ({quality.loudness_lufs:.0f} LUFS)."
        yield Finding(
            code="quiet", verdict="look", what=what, remedy="Move closer to the microphone, or raise its level."
        )
    look, again = THRESHOLDS.noisy_snr_db
    if quality.snr_db is not None and quality.snr_db < look:
        what = f"The speech is only {quality.snr_db:.0f} dB louder than the noise."
        remedy = "Move closer to the microphone, or record in a quieter room."
        yield Finding(code="noisy", verdict="re-record" if quality.snr_db < again else "look", what=what, remedy=remedy)


def _sound(quality: Quality) -> Iterator[Finding]:
    """What is wrong with the samples, whether or not there is speech."""
    look, again = THRESHOLDS.clipped_share
    if quality.clipped_share > look:
        what = f"{quality.clipped_share:.1%} of it is clipped (cut off at the top)."
        remedy = "Lower the microphone's level, or move further away."
        yield Finding(
            code="clipped", verdict="re-record" if quality.clipped_share > again else "look", what=what, remedy=remedy
        )
    if abs(quality.dc_offset) > THRESHOLDS.dc_offset:
        what = f"DC offset {abs(quality.dc_offset):.1%}."
        yield Finding(code="offset", verdict="look", what=what, remedy="Try another cable, input or microphone.")
    if quality.bandwidth_hz <= THRESHOLDS.telephone_hz:
        what = f"It has telephone bandwidth (nothing above {quality.bandwidth_hz / 1000:.1f} kHz)."
        yield Finding(code="telephone", verdict="note", what=what, remedy="Models understand sound up to 8 kHz better.")
    yield from _buffers(quality)


def _buffers(quality: Quality) -> Iterator[Finding]:
    spots: list[tuple[Code, int, str]] = [
        ("doubled", quality.repeated, "The same piece of sound comes twice in a row {}."),
        ("dropped", quality.dropped, "The sound cuts out {}."),
        ("click", quality.clicks, "A bit of sound is missing {} (a click)."),
    ]
    for code, count, sentence in spots:
        if count:
            times = "once" if count == 1 else f"{count} times"
            bad: Literal["look", "re-record"] = "re-record" if count >= THRESHOLDS.bad_spots else "look"
            yield Finding(code=code, verdict=bad, what=sentence.format(times), remedy=_BUFFERS)


def _times(quality: Quality, duration: float) -> Iterator[Finding]:
    edges = (("before your first word", quality.silence_before), ("after your last word", quality.silence_after))
    where, edge = max(edges, key=lambda pair: pair[1])
    if edge > THRESHOLDS.long_edge:
        what = f"{edge:.1f} s of silence {where}."
        yield Finding(code="silence", verdict="look", what=what, remedy="Trim it; the original is kept.")
    if quality.longest_pause > THRESHOLDS.long_pause:
        what = f"There is a pause of {quality.longest_pause:.1f} s in the middle."
        yield Finding(code="pause", verdict="look", what=what, remedy="Say the sentence in one go.")
    if duration > THRESHOLDS.long_clip:
        what = f"It lasts {duration:.0f} s; some models take only {THRESHOLDS.long_clip:.0f} s at once."
        yield Finding(code="long", verdict="look", what=what, remedy="Shorter sentences train better.")


def _pace(quality: Quality, duration: float, text: str, usual: float | None) -> Iterator[Finding]:
    own = pace(text, quality, duration)
    if own is None or len(spoken(text)) < THRESHOLDS.least_characters:
        return
    compared = f"; you usually say {usual:.0f}" if usual else ""
    what = f"The label has {own:.{0 if own >= 10 else 1}f} characters for each second of speech{compared}."
    if own > (THRESHOLDS.fast * usual if usual else THRESHOLDS.fastest):
        remedy = "Is part of it missing from the sound, or is it another clip's label?"
        yield Finding(code="fast", verdict="look", what=what, remedy=remedy)
    elif own < (THRESHOLDS.slow * usual if usual else THRESHOLDS.slowest):
        remedy = "Was more said than the label has, or is it another clip's label?"
        yield Finding(code="slow", verdict="look", what=what, remedy=remedy)


def _duplicates(duplicates: Sequence[str]) -> Iterator[Finding]:
    if duplicates:
        others = counted(len(duplicates), "other clip")
        what = f"The same sound, sample for sample, is in {others}."
        yield Finding(
            code="twin",
            verdict="look",
            what=what,
            remedy="Keep one of them: two labels for the same sound confuse a model.",
        )
