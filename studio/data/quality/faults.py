"""What a machine did to the samples: cut off at a ceiling, a buffer doubled, lost, or filled with silence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.audio import FULL_SCALE, Samples, to_16_bit

STEP = 1 / 32768  # of 16 bits
FLAT = 2  # equal samples in a row at the ceiling: a voice's own peaks are round,
LEAST_FLAT = 3  # and no two reach the same height to one step of 16 bits
CORNER = 0.003  # of the ceiling: a clipped wave reaches it at an angle, a slow round peak does not
LEAST_CEILING = 0.01  # of full scale; below, steps of 16 bits are coarse enough to look flat

WINDOW = 32  # samples that are compared when doubled buffers are looked for (2**5)
EVERY = 16  # one in so many windows is looked at, chosen by its content
FARTHEST = 0.2  # seconds between a buffer and its double: 8192 samples at 48 kHz are 0.17
LEAST_DOUBLED = 96  # equal samples; chance gives fewer than ten
TONE = 0.02  # of the sound's spread: by less a steady tone changes from one time to the next
LOUD_ENOUGH = 16.0  # steps of 16 bits, standard deviation of what is doubled: below, it harms nobody

LEAST_HELD = 0.001  # seconds for which a sample stands still
NEAR = 0.005  # seconds around a gap that tell whether somebody was speaking
BESIDE_GAP = 0.15  # of the speech's level: a gap in a pause is a noise gate's, and harmless
JUMP = 0.05  # of the speech's level: what a fade, or a pause, does not have

CLICK_NEAR = 0.002  # seconds before and after
CLICK_RATIO = 14.0  # times as bent as what is around it: a glottal pulse reaches 8
CLICK_LEVEL = 0.25  # of the speech's level
CLICK_BESIDE = 0.3  # of the speech's level, on both sides: what bends out of silence is the first pulse of a voice
CLICK_FLOOR = 3 * STEP

Steps = NDArray[np.int64]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]
Levels = NDArray[np.float64]


def clipped(samples: Samples) -> Mask:
    """Which samples are at full scale, or on flat tops at a lower ceiling, as after a change of gain."""
    cut: Mask = np.abs(samples) >= FULL_SCALE
    for side in (samples, -samples):
        cut |= _flat_tops(side)
    return cut


def _flat_tops(samples: Samples) -> Mask:
    """Where `samples` stand at their highest value, if they often stay there and came there at an angle."""
    ceiling = float(samples.max(initial=0.0))
    at_top: Mask = samples >= ceiling - 1.5 * STEP
    flat = [stretch for stretch in _stretches(at_top, FLAT) if _has_corner(samples, *stretch, ceiling)]
    return at_top if ceiling >= LEAST_CEILING and len(flat) >= LEAST_FLAT else np.zeros(len(samples), bool)


def _has_corner(samples: Samples, start: int, end: int, ceiling: float) -> bool:
    into = ceiling - float(samples[start - 1]) if start else 0.0
    out = ceiling - float(samples[end]) if end < len(samples) else 0.0
    return max(into, out) >= CORNER * ceiling


@dataclass(frozen=True, slots=True)
class Torn:
    """How often the stream of samples was torn."""

    doubled: int  # a stretch of sound comes again at once, sample for sample
    gaps: int  # the sound stops dead, at zero or at one value, in the middle of speech
    clicks: int  # the wave bends so sharply, for one sample, as no sound through a microphone does: some is missing


def torn(samples: Samples, rate: int, level: float, cut: Mask) -> Torn:
    """Look for doubled and lost buffers in sound of RMS `level` that is clipped where `cut` says.

    The ends of what was found, and the corners of clipped peaks, are no clicks.
    """
    doubled, gaps = _doubled(samples, rate), _gaps(samples, rate, level)
    ends = [place for stretch in doubled + gaps for place in stretch]
    sharp = _sharp_bends(samples, rate, level)
    sharp = sharp[~(cut[sharp] | cut[sharp + 1] | cut[sharp + 2])]
    return Torn(len(doubled), len(gaps), _apart(sharp, ends, round(CLICK_NEAR * rate)))


def _doubled(samples: Samples, rate: int) -> list[tuple[int, ...]]:
    """Start and end of every stretch that comes again within `FARTHEST` seconds, and of its double."""
    steps = to_16_bit(samples).astype(np.int64)
    found: list[tuple[int, ...]] = []
    if len(steps) < 2 * WINDOW:
        return found
    for place, later in _equal_windows(steps, round(FARTHEST * rate)):
        if found and place < found[-1][-1]:
            continue
        lag = later - place
        start, stop = _equal_stretch(steps, place, lag)
        if stop - start >= LEAST_DOUBLED and _is_a_buffer(steps, start, stop, lag):
            found.append((start, stop, start + lag, stop + lag))
    return found


def _is_a_buffer(steps: Steps, start: int, stop: int, lag: int) -> bool:
    """Whether what came again is sound, and no steady tone, which comes again, nearly, all the time."""
    spread = float(steps[start:stop].std())
    around = [(max(0, start - WINDOW), start), (stop, min(stop + WINDOW, len(steps) - lag))]
    changes = [np.abs(steps[a:b] - steps[a + lag : b + lag]).mean() for a, b in around if a < b]
    return spread > LOUD_ENOUGH and all(change > TONE * spread for change in changes)


def _equal_windows(steps: Steps, farthest: int) -> list[tuple[int, int]]:
    """Places of windows of equal content, in order, each with the next place of that content."""
    names = _names_of_windows(steps)
    chosen = np.flatnonzero((names >> np.uint64(40)) % np.uint64(EVERY) == 0)
    order = chosen[np.argsort(names[chosen], kind="stable")]
    here, there = order[:-1], order[1:]
    lag = there - here
    matching = (names[here] == names[there]) & (lag > 0) & (lag <= farthest)
    moving = matching & (np.abs(steps[here + WINDOW - 1] - steps[here]) + np.abs(steps[here + 9] - steps[here]) > 2)
    return sorted(zip(here[moving].tolist(), there[moving].tolist(), strict=True))


def _names_of_windows(steps: Steps) -> NDArray[np.uint64]:
    """A number for the content of each window of `WINDOW` samples: a polynomial, by doubling."""
    names = steps.astype(np.uint64)  # negative steps wrap around, as all of it does
    base = 0x9E3779B97F4A7C15
    length = 1
    while length < WINDOW:
        names = names[:-length] * np.uint64(pow(base, length, 1 << 64)) + names[length:]
        length *= 2
    return np.asarray(names * np.uint64(base))


def _equal_stretch(steps: Steps, place: int, lag: int) -> tuple[int, int]:
    """From where to where, around `place`, the sound equals the sound `lag` samples later."""
    reach = 4 * max(lag, LEAST_DOUBLED)
    first = max(0, place - reach)
    last = min(len(steps) - lag, place + reach)
    differs = np.flatnonzero(steps[first:last] != steps[first + lag : last + lag]) + first
    before, after = differs[differs < place], differs[differs >= place]
    return (int(before[-1]) + 1 if len(before) else first), (int(after[0]) if len(after) else last)


def _gaps(samples: Samples, rate: int, level: float) -> list[tuple[int, ...]]:
    """Start and end of every gap in the middle of speech."""
    least = max(round(LEAST_HELD * rate), 12)
    highest = float(np.abs(samples).max(initial=0.0))
    found: list[tuple[int, ...]] = []
    for start, end in _stretches(np.diff(samples) == 0, least - 1):
        is_around = start == 0 or end + 1 >= len(samples)  # silence put before or after the sound
        is_clipped = abs(float(samples[start])) >= 0.98 * highest
        if not is_around and not is_clipped and _is_abrupt(samples, start, end, round(NEAR * rate), level):
            found.append((start, end))
    return found


def _is_abrupt(samples: Samples, start: int, end: int, near: int, level: float) -> bool:
    """Whether the sound is loud on both sides of the gap, and jumps into it and out of it.

    Before a p, t or k a voice, a synthetic one all the more, falls silent and comes back at once: but it fades out.
    """
    before, after = samples[max(0, start - near) : start], samples[end + 1 : end + 1 + near]
    beside = min(_rms(before), _rms(after))
    jumps = abs(float(samples[start - 1] - samples[start])), abs(float(samples[end + 1] - samples[end]))
    return beside > BESIDE_GAP * level and min(jumps) > JUMP * level


def _sharp_bends(samples: Samples, rate: int, level: float) -> Places:
    """Where three samples bend far more than all that is around them."""
    near = round(CLICK_NEAR * rate)
    bend = np.abs(np.diff(samples, 2))
    places = np.flatnonzero(bend > max(CLICK_LEVEL * level, CLICK_RATIO * CLICK_FLOOR))
    places = places[(places >= near + 2) & (places < len(bend) - near - 3)]
    around = np.maximum(*_beside(bend, places, near)) + CLICK_FLOOR
    is_loud = np.minimum(*_beside(samples, places, near)) > CLICK_BESIDE * level
    return np.asarray(places[(bend[places] > CLICK_RATIO * around) & is_loud])


def _beside(values: Samples, places: Places, near: int) -> tuple[Levels, Levels]:
    """RMS of the `near` values before each of `places`, and after it, the very next ones left out."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(values), dtype=np.float64)])
    before = energy[places - 2] - energy[places - 2 - near]
    after = energy[places + 3 + near] - energy[places + 3]
    return np.sqrt(np.maximum(before, 0) / near), np.sqrt(np.maximum(after, 0) / near)


def _apart(places: Places, explained: Iterable[int], near: int) -> int:
    """How many `places` there are, those side by side as one, without those near an `explained` one."""
    for place in explained:
        places = places[np.abs(places - place) > near]
    return int(len(places) and 1 + (np.diff(places) > near).sum())


def _stretches(mask: Mask, least: int) -> list[tuple[int, int]]:
    """Start and end (exclusive) of every run of True of `least` or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts >= least
    return list(zip(starts[long].tolist(), ends[long].tolist(), strict=True))


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
