"""The model behind the endpoint: one set of weights, one transcription at a time, a short queue."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from studio import audio
from studio.data.word_times import Words
from studio.errors import DataError, OverloadedError, UnknownModelError
from studio.inference.alignment import aligner
from studio.inference.alignment.recordings import timed
from studio.inference.longform.reading import LongRecording, biased
from studio.inference.longform.transcript import Segment, text_of
from studio.models import Clip, Recogniser, load_to_read
from studio.models.adapters import find_adapter, without_adapter
from studio.models.key_terms import MOST_TERMS, KeyTerms, key_terms
from studio.runs import listing
from studio.runs.metadata import RunRecord
from studio.serve.keeping import KeptRecordings
from studio.serve.turns import Turns
from studio.workspace import Workspace

LONGEST_TERM = 4  # words: more are a sentence that sets the scene
OPENAIS_NAMES = re.compile(r"whisper-1|gpt-4o(-mini)?-transcribe(-\d{4}-\d\d-\d\d)?")  # programs often fix one of these


class Engine:
    """A recogniser that several threads may ask; `names` are the models that it answers to, the best first."""

    def __init__(
        self,
        recogniser: Recogniser,
        run: str = "",
        kept: KeptRecordings | None = None,
        find_aligner: Callable[[], Recogniser | None] = lambda: None,
    ) -> None:
        self.recogniser = recogniser
        self.names = [run, recogniser.source] if run else [recogniser.source]
        self._run = run
        self._kept = kept
        self._find_aligner = find_aligner
        self._aligner = recogniser if aligner.aligns(recogniser) else None
        self._turns = Turns()
        self._closing = threading.Event()

    @property
    def language(self) -> str:
        """The language that the model transcribes, as its own settings call it."""
        settings = getattr(self.recogniser.model, "generation_config", None)
        return str(getattr(settings, "language", None) or "english")

    def known(self, name: str) -> str:
        """The model that a request means by `name`. Raises UnknownModelError where it is not served."""
        if not name or OPENAIS_NAMES.fullmatch(name):
            return self.names[0]
        if name not in self.names:
            raise UnknownModelError(
                f"The model “{name}” is not served here.", f"Ask for one of: {', '.join(self.names)}."
            )
        return name

    def read(self, name: str, path: Path, prompt: str = "") -> Generator[Segment]:
        """What `name` transcribes of the sound file `path`, piece by piece; a file that it takes whole is one piece.

        Names and terms in `prompt`, with commas between them, are made likelier; sentences in it are not. Waits for its
        turn. Raises OverloadedError where too many wait already, AudioError, DataError (too short), DiskError.
        """
        is_base = bool(self._run) and name != self._run
        with self._turns.taken(), without_adapter(self.recogniser) if is_base else nullcontext():
            terms = key_terms(self.recogniser.family, self.recogniser.processor, terms_in(prompt)[:MOST_TERMS])
            adapter = None if is_base or not self._run else self._run
            for segment in self._segments(path, terms, adapter):
                yield segment
                if self._closing.is_set():
                    raise OverloadedError("The server is closing.", "Start it again.")

    def check_aligner(self) -> None:
        """Have a model ready that times words: the served one, or one on this disk. Raises DataError where none is."""
        with self._turns.lock:
            self._aligner = self._aligner or self._find_aligner()
        if self._aligner is None:
            what = "Word times need a Whisper on the server's disk, and there is none."
            raise DataError(what, f"Leave “word” out. {aligner.FETCH}")

    def words(self, name: str, path: Path, segments: Sequence[Segment]) -> Words:
        """Each word that `name` wrote in `segments` of `path`, with its start and end in the whole file, in seconds.

        Raises AudioError, DataError, and as `check_aligner`.
        """
        self.check_aligner()
        assert self._aligner is not None
        is_base = bool(self._run) and name != self._run and self._aligner is self.recogniser
        with self._turns.lock, without_adapter(self.recogniser) if is_base else nullcontext():
            return timed(self._aligner, path, segments)

    def text(self, name: str, path: Path, prompt: str = "") -> str:
        """All that `name` transcribes of `path`, in one line. Raises as `read`."""
        return text_of(self.read(name, path, prompt))

    def close(self) -> None:
        """End what is being transcribed after its current pieces, and keep what is to be kept."""
        self._closing.set()
        if self._kept:
            self._kept.close()

    def _segments(self, path: Path, terms: KeyTerms | None, adapter: str | None) -> Iterator[Segment]:
        family = self.recogniser.family
        if audio.length(path) > family.max_seconds:
            yield from LongRecording(self.recogniser, path, terms).segments()
            return
        clip = Clip(audio.read(path, family.sample_rate).samples)
        if terms:
            read = biased(self.recogniser, clip, terms)
        else:
            read = family.transcribe(self.recogniser.model, self.recogniser.processor, clip)
        if self._kept:
            self._kept.keep(path, read, self.recogniser.source, adapter)
        yield Segment(start=0.0, end=round(read.seconds, 3), text=read.text.strip(), confidence=read.confidence)


def terms_in(prompt: str) -> list[str]:
    """The names and terms in what OpenAI calls a prompt: what is between commas, unless it is a sentence."""
    parts = (part.strip(" .\"'") for part in re.split(r"[,;\n]|\.\s", prompt))
    return [part for part in parts if part and len(part.split()) <= LONGEST_TERM]


def engine_for(workspace: Workspace, run: str, model: str, device: str, kept: KeptRecordings | None) -> Engine:
    """The engine of the finished run `run`, or without one of `model`. Raises JobError, ModelError, DeviceError."""
    find = partial(aligner.find, workspace, device)
    if not run:
        return Engine(load_to_read(model, device), kept=kept, find_aligner=find)
    folder = listing.existing(workspace, run)
    adapter = find_adapter(folder.path, workspace)
    return Engine(load_to_read(RunRecord.read(folder).model, device, adapter), run, kept, find)
