"""What a person says to the page: exact samples, whatever the speed of the machine."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from browsing import MICROPHONE_RATE
from playwright.sync_api import Page
from voices import Sound, steps

SCRIPT = (Path(__file__).parent / "microphone.js").read_text(encoding="utf-8")


def silence(seconds: float) -> Sound:
    """Digital silence, as of a muted microphone."""
    return np.zeros(round(seconds * MICROPHONE_RATE), np.float32)


def between(before: float, sound: Sound, after: float) -> Sound:
    """`sound` between so many seconds of silence."""
    return np.concatenate([silence(before), sound, silence(after)])


class Microphone:
    """The microphone of `page`: silent, not even a room, unless something is said (see microphone.js).

    Made before the page opens its microphone. With `is_real` the page hears Chromium's fake device instead.
    """

    def __init__(self, page: Page, *, is_real: bool = False) -> None:
        script = f"{SCRIPT}\nmicrophone.isReal = {'true' if is_real else 'false'};"
        self._page = page
        page.add_init_script(script)  # for every page that is loaded from now on
        page.evaluate(script)

    def begin(self, sound: Sound) -> None:
        """Say `sound`, (frames,) at MICROPHONE_RATE, from when the page opens its microphone on; returns at once."""
        pcm = (steps(sound) * 32768).astype("<i2").tobytes()
        words = [base64.b64encode(pcm).decode(), MICROPHONE_RATE]
        self._page.evaluate("([sound, rate]) => { microphone.say(sound, rate); }", words)

    def say(self, sound: Sound) -> None:
        """Say `sound` to its end: the page has heard all of it."""
        self.begin(sound)
        self._page.wait_for_function("microphone.isHeard")

    def await_heard(self, seconds: float) -> None:
        """Wait until the page has heard so much more."""
        wanted = self._page.evaluate("microphone.heard") + seconds * MICROPHONE_RATE
        self._page.wait_for_function("wanted => microphone.heard >= wanted", arg=wanted)
