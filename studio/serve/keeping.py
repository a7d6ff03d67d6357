"""What a server hears, kept as clips without a label where a person asks for it: `studio serve --keep DATASET`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from studio.audio.recording import Recording
from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.errors import AudioError, StudioError
from studio.inference.prelabel import reading
from studio.models import Hypothesis
from studio.workspace import Workspace


class KeptRecordings:
    """A dataset that grows by what is transcribed, each clip with its transcript as a suggestion and no label.

    A clip without a label is not used for training or measuring until a person has listened to it in Review. While
    `most` clips wait for that, no more are kept.
    """

    def __init__(self, workspace: Workspace, name: str, most: int) -> None:
        """The dataset begins with its first clip. Raises ConfigError where `name` cannot be a name, DiskError."""
        self._dataset = Dataset(workspace.dataset(name))
        self._most = most
        self._writer = ThreadPoolExecutor(1, "keeping")  # the answer does not wait for the disk

    def keep(self, path: Path, hypothesis: Hypothesis, model: str, adapter: str | None) -> None:
        """Save the sound file `path`, soon; silence and what is too short to be a clip is passed over."""
        with suppress(AudioError):
            self._writer.submit(self._save, Recording.of(path), hypothesis, model, adapter)

    def close(self) -> None:
        """Return when all that was to be kept is on the disk."""
        self._writer.shutdown()

    def _save(self, recording: Recording, hypothesis: Hypothesis, model: str, adapter: str | None) -> None:
        try:
            if sum(not clip.text for clip in self._dataset.utterances()) < self._most:
                clip = self._dataset.add(recording, text=None, source="live")
                asr_results.append(self._dataset, [reading(clip, hypothesis, model, adapter)])
        except StudioError as error:  # the answer has been given: the server continues
            print(f"A recording was not kept: {error}", file=sys.stderr, flush=True)
