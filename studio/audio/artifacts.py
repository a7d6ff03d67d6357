"""What a machine did to the samples: cut off at a ceiling, a buffer doubled, lost, or filled with silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.audio import FULL_SCALE, Samples, to_16_bit

STEP = 1 / 32768  # of 16 bits
COARSEST = 1 / 128  # the step of 8 bits
FLAT = 2  # equal samples in a row at the ceiling: a voice's own peaks are round,
LEAST_FLAT = 3  # and no two reach the same height to one step of 16 bits
CORNER = 0.003  # of the ceiling: a clipped wave reaches it at an angle, a slow round peak does not
LEAST_CEILING = 327  # steps: a lower wave looks flat by its steps alone

WINDOW = 32  # samples that are compared when doubled buffers are looked for (2**5)
EVERY = 16  # one in so many windows is looked at, chosen by its content
FARTHEST = 0.2  # seconds between a buffer and its double: 8192 samples at 48 kHz are 0.17
LEAST_DOUBLED = 96  # equal samples; chance gives fewer than ten
TONE = 0.02  # of the sound's spread: by less a steady tone changes from one time to the next
LOUD_ENOUGH = 16.0  # steps of 16 bits, standard deviation of what is doubled: below, it does no harm
VARIED = 6.0  # the file's own steps, standard deviation: with fewer, stretches are equal by chance
MOST_LOOKED_AT = 2_000  # stretches: a tone, or a machine's signal, has more; each takes up to a millisecond
MOST_PAIRS = 50_000  # of equal windows: two minutes of a tone have 400,000, of speech with a lost buffer a few hundred

LEAST_HELD = 0.001  # seconds for which a sample does not change
NEAR = 0.005  # seconds around a gap that show whether it interrupts speech
BESIDE_GAP = 0.15  # of the speech's level: a gap in a pause is a noise gate's, and harmless
JUMP = 0.05  # of the speech's level: what a fade, or a pause, does not have
JUMP_STEPS = 4  # the file's own: a quiet wave in 8 bits stays on one step and leaves it by one or two

CLICK_NEAR = 0.002  # seconds before and after
CLICK_RATIO = 14.0  # times as bent as what is around it: a glottal pulse reaches 8
CLICK_LEVEL = 0.25  # of the speech's level
CLICK_BESIDE = 0.3  # of the speech's level, on both sides: what bends out of silence is the first pulse of a voice
CLICK_FLOOR = 3  # steps

Steps = NDArray[np.int64]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]
Levels = NDArray[np.float64]


def own_step(samples: Samples) -> float:
    """The smallest difference between two values in `samples`: 1/128 where they were written in 8 bits."""
    steps = to_16_bit(samples).astype(np.int64)
    values = np.flatnonzero(np.bincount(steps - steps.min(initial=0)))
    return int(np.diff(values).min(initial=round(COARSEST / STEP))) * STEP


def clipped(samples: Samples, step: float = STEP) -> Mask:
    """Which samples are at full scale, or on flat tops at a lower ceiling, as after a change of gain.

    `step` is the smallest difference that the file's samples can have.
    """
    cut: Mask = np.abs(samples) >= min(FULL_SCALE, 1 - step)
    for side in (samples, -samples):
        cut |= _flat_tops(side, step)
    return cut


def _flat_tops(samples: Samples, step: float) -> Mask:
    """Where `samples` stay at their highest value, if they often do and came there at an angle."""
    ceiling = float(samples.max(initial=0.0))
    at_top: Mask = samples >= ceiling - 1.5 * STEP
    starts, ends = _stretches(at_top, FLAT)
    padded = np.concatenate([samples[:1], samples, samples[-1:]])  # what is cut off by the file's ends has no corner
    corners = ceiling - np.minimum(padded[starts], padded[ends + 1]) >= CORNER * ceiling
    is_cut = ceiling >= LEAST_CEILING * step and corners.sum() >= LEAST_FLAT
    return at_top if is_cut else np.zeros(len(samples), bool)


@dataclass(frozen=True, slots=True)
class Torn:
    """How often the stream of samples was torn."""

    doubled: int  # a stretch of sound comes again at once, sample for sample
    gaps: int  # the sound stops dead, at zero or at one value, in the middle of speech
    clicks: int  # the wave bends so sharply, for one sample, as no sound through a microphone does: some is missing


def torn(samples: Samples, rate: int, level: float, cut: Mask, step: float = STEP) -> Torn:
    """Look for doubled and lost buffers in sound of RMS `level` that is clipped where `cut` says.

    The ends of what was found, and the corners of clipped peaks, are no clicks. `step` as of `clipped`.
    """
    doubled, gaps = _doubled(samples, rate, step), _gaps(samples, rate, level, step)
    ends = np.concatenate([np.array(doubled, np.int64).ravel(), *gaps])
    sharp = _sharp_bends(samples, rate, level, step)
    sharp = sharp[~(cut[sharp] | cut[sharp + 1] | cut[sharp + 2])]
    return Torn(len(doubled), len(gaps[0]), _apart(sharp, ends, round(CLICK_NEAR * rate)))


def _doubled(samples: Samples, rate: int, step: float) -> list[tuple[int, ...]]:
    """Start and end of every stretch that comes again within `FARTHEST` seconds, and of its double."""
    steps = to_16_bit(samples).astype(np.int64)
    found: list[tuple[int, ...]] = []
    looked_at = 0
    ends: dict[int, int] = {}  # lag -> end of the stretch that was looked at last
    if len(steps) < 2 * WINDOW:
        return found
    for place, later in _equal_windows(steps, round(FARTHEST * rate)):
        lag = later - place
        if place < ends.get(lag, 0) or (found and place < found[-1][-1]):
            continue
        start, stop = _equal_stretch(steps, place, lag)
        if stop - start >= LEAST_DOUBLED and _is_a_buffer(steps, start, stop, lag, step):
            found.append((start, stop, start + lag, stop + lag))
        ends[lag] = stop
        looked_at += 1
        if looked_at == MOST_LOOKED_AT:
            break
    return found


def _is_a_buffer(steps: Steps, start: int, stop: int, lag: int, step: float) -> bool:
    """Whether what came again is sound, and no steady tone, which comes again, nearly, all the time."""
    spread = float(steps[start:stop].std())
    around = [(max(0, start - WINDOW), start), (stop, min(stop + WINDOW, len(steps) - lag))]
    changes = [np.abs(steps[a:b] - steps[a + lag : b + lag]).mean() for a, b in around if a < b]
    is_sound = spread > max(LOUD_ENOUGH, VARIED * step / STEP)
    return is_sound and all(change > TONE * spread for change in changes)


def _equal_windows(steps: Steps, farthest: int) -> list[tuple[int, int]]:
    """Places of windows of equal content, in order, each with the next place of that content; MOST_PAIRS at most."""
    names = _names_of_windows(steps)
    chosen = np.flatnonzero((names >> np.uint64(40)) % np.uint64(EVERY) == 0)
    order = chosen[np.argsort(names[chosen], kind="stable")]
    here, there = order[:-1], order[1:]
    lag = there - here
    matching = (names[here] == names[there]) & (lag > 0) & (lag <= farthest)
    here, there = here[matching], there[matching]
    moving = np.abs(steps[here + WINDOW - 1] - steps[here]) + np.abs(steps[here + 9] - steps[here]) > 2
    here, there = here[moving], there[moving]
    first = np.argsort(here)[:MOST_PAIRS]
    return list(zip(here[first].tolist(), there[first].tolist(), strict=True))


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


def _gaps(samples: Samples, rate: int, level: float, step: float) -> tuple[Places, Places]:
    """Starts and ends of the gaps in the middle of speech: loud on both sides, with a jump into it and out of it.

    Before a p, t or k a voice, a synthetic one all the more, falls silent and comes back at once: but it fades out.
    """
    starts, ends = _stretches(np.diff(samples) == 0, max(round(LEAST_HELD * rate), 12) - 1)
    is_within = (starts > 0) & (ends + 1 < len(samples))  # no silence put before or after the sound
    starts, ends = starts[is_within], ends[is_within]
    held = samples[starts]
    jumps = np.minimum(np.abs(samples[starts - 1] - held), np.abs(samples[ends + 1] - held))
    is_clipped = np.abs(held) >= 0.98 * float(np.abs(samples).max(initial=0.0))
    near = round(NEAR * rate)
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples), dtype=np.float64)])
    before = _rms(energy, np.maximum(starts - near, 0), starts)
    after = _rms(energy, ends + 1, np.minimum(ends + 1 + near, len(samples)))
    is_abrupt = jumps > max(JUMP * level, (JUMP_STEPS + 0.5) * step)
    kept = is_abrupt & ~is_clipped & (np.minimum(before, after) > BESIDE_GAP * level)
    return starts[kept], ends[kept]


def _sharp_bends(samples: Samples, rate: int, level: float, step: float) -> Places:
    """Where three samples bend far more than all that is around them."""
    near = round(CLICK_NEAR * rate)
    bend = np.abs(np.diff(samples, 2))
    floor = CLICK_FLOOR * step
    places = np.flatnonzero(bend > max(CLICK_LEVEL * level, CLICK_RATIO * floor))
    places = places[(places >= near + 2) & (places < len(bend) - near - 3)]
    if not len(places):
        return places
    around = np.maximum(*_beside(bend, places, near)) + floor
    is_loud = np.minimum(*_beside(samples, places, near)) > CLICK_BESIDE * level
    return np.asarray(places[(bend[places] > CLICK_RATIO * around) & is_loud])


def _beside(values: Samples, places: Places, near: int) -> tuple[Levels, Levels]:
    """RMS of the `near` values before each of `places`, and after it, the very next ones left out."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(values), dtype=np.float64)])
    before = energy[places - 2] - energy[places - 2 - near]
    after = energy[places + 3 + near] - energy[places + 3]
    return np.sqrt(np.maximum(before, 0) / near), np.sqrt(np.maximum(after, 0) / near)


def _apart(places: Places, explained: Places, near: int) -> int:
    """How many `places` there are, those side by side as one, without those near an `explained` one."""
    known = np.sort(np.concatenate([[-near - 1], explained]))
    after = np.searchsorted(known, places)
    beside = np.minimum(places - known[after - 1], np.append(known, np.iinfo(np.int64).max)[after] - places)
    places = places[beside > near]
    return int(len(places) and 1 + (np.diff(places) > near).sum())


def _stretches(mask: Mask, least: int) -> tuple[Places, Places]:
    """Starts and ends (exclusive) of every run of True of `least` or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts >= least
    return starts[long], ends[long]


def _rms(energy: Levels, starts: Places, ends: Places) -> Levels:
    """RMS between `starts` and `ends` (exclusive, later), by the `energy` summed up to each sample."""
    return np.asarray(np.sqrt(np.maximum(energy[ends] - energy[starts], 0) / (ends - starts)))
