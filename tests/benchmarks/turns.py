"""How well turns are found hands-free: `python tests/benchmarks/turns.py [FOLDER …]`.

Two clips with 1.4 s between them, at 40, 20 and 10 dB above the room's noise, go block by block through the page's own
detector (`turns.js`, in Chromium) as the microphone's samples do. Told are how many pairs became two turns, how many
turns began after their speech (0.3 s before the first voice are kept) and how long after its speech a turn ended. Clips
come from FOLDER (WAV or FLAC), without one from those bundled with the starter; what pauses longer than 0.75 s by
itself is left out.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from browsing import chromium, served
from numpy.typing import NDArray

from studio.audio import Waveform, read
from studio.data.quality import measured
from studio.starter import GENERAL_FOLDER, UNHEARD_FOLDER

RATE, LEAD, PAUSE, REST = 16_000, 1.0, 1.4, 2.0  # Hz; seconds
LONGEST_PAUSE = 0.75  # seconds within a clip
LEVEL = 0.05  # root mean square of the speech
SNRS = (40, 20, 10)  # dB
PRE_ROLL = 0.3  # seconds, as in handsfree.js

SCRIPT = """async ({ samples, rate, sensitivity }) => {
    const { Loudness, Turns } = await import("/studio/assets/listen/turns.js");
    const bytes = Uint8Array.from(atob(samples), (letter) => letter.charCodeAt(0));
    const wave = new Float32Array(bytes.buffer);
    const [loudness, turns] = [new Loudness(rate), new Turns({ silence: 0.8, sensitivity, longest: 29.5 })];
    const [found, block] = [[], Math.round((1024 * rate) / 48000)];
    for (let at = 0; at + block <= wave.length; at += block) {
        const event = turns.hear(loudness.of(wave.subarray(at, at + block)), block / rate);
        const now = (at + block) / rate;
        if (event === "begin") found.push([now - turns.voiced, null]);
        else if (event === "drop") found.pop();
        else if (event) found.at(-1)[1] = now;
    }
    return found;
}"""

Samples = NDArray[np.float32]


def speech(paths: Sequence[Path]) -> Iterator[Samples]:
    """The clips at one rate, cut to where somebody speaks; those with long pauses are left out."""
    for path in paths:
        samples = read(path, RATE).samples
        figures = measured(Waveform(samples, RATE))
        if figures and figures.speech_seconds and figures.longest_pause < LONGEST_PAUSE:
            yield samples[round(figures.silence_before * RATE) : len(samples) - round(figures.silence_after * RATE)]


def between(one: Samples, other: Samples, snr: float, seed: int) -> Samples:
    """Both clips with their pauses, in a room with noise."""
    silence = [np.zeros(round(seconds * RATE), np.float32) for seconds in (LEAD, PAUSE, REST)]
    joined = np.concatenate([silence[0], one, silence[1], other, silence[2]])
    joined *= LEVEL / np.sqrt(np.mean(np.concatenate([one, other]) ** 2))
    noise = np.random.default_rng(seed).normal(0, LEVEL * 10 ** (-snr / 20), len(joined))
    return (joined + noise).astype(np.float32)


def ends(one: Samples, other: Samples) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where each clip begins and ends, in seconds."""
    first = LEAD, LEAD + len(one) / RATE
    second = first[1] + PAUSE
    return first, (second, second + len(other) / RATE)


def main() -> None:
    """Print a line for each sensitivity and level of noise."""
    folders = [Path(word) for word in sys.argv[1:]] or [GENERAL_FOLDER, UNHEARD_FOLDER]
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".wav", ".flac")]
    pairs = list(pairwise(speech(paths)))[::2]
    print(f"{len(pairs)} pairs of clips\nsensitivity  SNR, dB  two turns  begun late  ended after, s")
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as studio, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{studio.url}studio/assets/listen/turns.js")
        for sensitivity in (1, 3, 5):
            for snr in SNRS:
                print(f"{sensitivity:11}{snr:9}{row(page, pairs, snr, sensitivity)}", flush=True)


def row(page: Any, pairs: Sequence[Sequence[Samples]], snr: float, sensitivity: int) -> str:
    """What became of all pairs at one level of noise."""
    two, late, after = 0, 0, []
    for seed, (one, other) in enumerate(pairs):
        wave = base64.b64encode(between(one, other, snr, seed).tobytes()).decode()
        found = page.evaluate(SCRIPT, {"samples": wave, "rate": RATE, "sensitivity": sensitivity})
        two += len(found) == 2
        for (begun, ended), (start, end) in zip(found, ends(one, other), strict=False) if len(found) == 2 else ():
            late += begun - PRE_ROLL > start
            after += [ended - end] if ended else []
    return f"{two:8}/{len(pairs)}{late:12}{np.median(after) if after else float('nan'):16.2f}"


if __name__ == "__main__":
    main()
