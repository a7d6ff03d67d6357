"""Transcribe a long recording piece by piece, and keep what is done when it is stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from studio import audio
from studio.inference.longform.cutting import PASSAGES, PHRASES, Lengths, Piece, pieces
from studio.inference.longform.subtitles import rendered
from studio.inference.longform.transcript import Segment, Transcript, TranscriptLog, TranscriptSource
from studio.models import Clip, Family, Hypothesis, Recogniser
from studio.models.key_terms import KeyTerms
from studio.progress import OnProgress, unwatched
from studio.starter import MODEL_FOLDER
from studio.workspace import write_atomically

AT_ONCE = 8  # pieces: about 1.8 times as fast as one by one on a CPU


@dataclass(frozen=True, slots=True)
class LongRecording:
    """The recording `path`, to be transcribed by a model that is in memory."""

    recogniser: Recogniser
    path: Path
    terms: KeyTerms | None = None  # made likelier

    @property
    def lengths(self) -> Lengths:
        """How long the pieces should be for this model."""
        return PHRASES if self.recogniser.folder.resolve() == MODEL_FOLDER.resolve() else PASSAGES

    def segments(self, skip: int = 0) -> Iterator[Segment]:
        """The transcript, in order, piece by piece as it is made; the first `skip` are left out.

        A few pieces are read at once. Raises AudioError or DiskError.
        """
        family = self.recogniser.family
        found = islice(pieces(self.path, family.sample_rate, self.lengths, family.max_seconds), skip, None)
        while batch := list(islice(found, AT_ONCE)):
            read = self._read([_clip(family, piece) for piece in batch])
            for piece, hypothesis in zip(batch, read, strict=True):
                yield Segment(
                    start=round(piece.start, 3),
                    end=round(piece.end, 3),
                    text=hypothesis.text.strip(),
                    confidence=hypothesis.confidence,
                )

    def _read(self, clips: Sequence[Clip]) -> list[Hypothesis]:
        if self.terms is None:
            return self.recogniser.family.transcribe_batch(self.recogniser.model, self.recogniser.processor, clips)
        return [biased(self.recogniser, clip, self.terms) for clip in clips]

    def transcript(self, segments: Sequence[Segment], adapter: Path | None) -> Transcript:
        """The whole transcript."""
        return Transcript(
            audio=self.path.name,
            model=self.recogniser.source,
            adapter=str(adapter) if adapter else None,
            device=self.recogniser.device,
            seconds=round(audio.length(self.path), 3),
            segments=list(segments),
        )


def biased(recogniser: Recogniser, clip: Clip, terms: KeyTerms) -> Hypothesis:
    """The hypothesis for `clip` with `terms` made likelier. Raises DataError where it is too short or too long."""
    (read,) = recogniser.family.transcribe_with_adapters(recogniser.model, recogniser.processor, clip, terms=terms)
    assert read.biased is not None
    return read.biased


def read_file(
    reading: LongRecording,
    outputs: Mapping[Path, str],
    adapter: Path | None = None,
    on_progress: OnProgress = unwatched,
    log: TranscriptLog | None = None,
) -> Transcript:
    """Read a recording into `outputs`, each a file with its format (a name of `FORMATS`), whole or not at all.

    `adapter` is the folder that the recogniser was loaded with. `on_progress` gets the seconds that were read and those
    there are. What it raises stops the reading: `log` then keeps what was read, and the same call goes on from there,
    to the same result; once all is written it is gone. Raises AudioError or DiskError.
    """
    seconds = round(audio.length(reading.path))
    segments = log.resume(TranscriptSource.of(reading.path, reading.recogniser.source, adapter)) if log else []
    on_progress(round(segments[-1].end) if segments else 0, seconds)
    for segment in reading.segments(skip=len(segments)):
        segments.append(segment)
        if log:
            log.add(segment)
        on_progress(round(segment.end), seconds)
    result = reading.transcript(segments, adapter)
    for path, kind in outputs.items():
        write_atomically(path, rendered(result, kind))
    if log:
        log.discard()
    on_progress(seconds, seconds)
    return result


def _clip(family: Family, piece: Piece) -> Clip:
    """What the family can take: a word at the very end of a file may be shorter than it needs."""
    import numpy as np

    least = round(family.min_seconds * family.sample_rate) + 1
    return Clip(np.pad(piece.samples, (0, max(0, least - len(piece.samples)))))
