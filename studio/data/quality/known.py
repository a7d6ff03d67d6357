"""The figures of a clip: those that its line of the manifest keeps, or measured now."""

from __future__ import annotations

from studio.audio import read
from studio.audio.measurements import Quality, measured
from studio.data.store.files import Store
from studio.data.utterance import Utterance


def quality_of(clip: Utterance, store: Store) -> Quality | None:
    """The figures of `clip`, measured where the manifest has none; None where measuring failed.

    Raises AudioError or DiskError where its sound cannot be read.
    """
    return Quality.known(clip.quality) or measured(read(store.clip_path(clip)))
