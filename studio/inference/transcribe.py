"""Reading a list of clips with one model, and the list behind the verb `transcribe`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from studio import audio
from studio.data.word_times import Words
from studio.errors import AudioError, DataError
from studio.inference.alignment import aligner
from studio.inference.alignment.recordings import timed
from studio.inference.longform.reading import LongRecording
from studio.inference.longform.transcript import Segment
from studio.inference.mend import mend as mend_text
from studio.inference.mend import typing_named
from studio.models import Clip, Family, Hypothesis, Recogniser, load_to_read, locate
from studio.models.adapters import find_adapter
from studio.models.limits import check_length, in_batches
from studio.text import lines_of
from studio.text.metrics import Score, score
from studio.workspace import Workspace, disk_errors, write_atomically

_MANIFESTS = (".jsonl", ".json", ".ndjson")
_IN_MEMORY = 64  # clips loaded at once, to find some of similar length


class TranscribedClip(BaseModel):
    """One sound file: what was written, and the errors where a reference exists."""

    model_config = ConfigDict(frozen=True)

    audio: str
    text: str = ""
    seconds: float = 0.0  # of audio
    latency: float = 0.0  # seconds from samples to text; of a batch, its time shared out evenly
    confidence: float | None = None  # mean token probability, 0..1
    reference: str | None = None
    wer: float | None = None  # of this clip alone
    cer: float | None = None
    error: str | None = None  # why it could not be transcribed
    segments: list[Segment] | None = None  # with their times, of a file longer than the model takes at once
    word_times: Words | None = None  # start and end of each word in seconds, where they were asked for
    mended: str | None = None  # the text as a typing model corrects it, where one was asked for


class Totals(BaseModel):
    """Over the clips that could be transcribed."""

    model_config = ConfigDict(frozen=True)

    clips: int
    failed: int
    seconds: float  # of audio
    latency: float  # seconds, added up
    score: Score | None  # over the clips with a reference


class Transcription(BaseModel):
    """A list of sound files, transcribed by one model."""

    model_config = ConfigDict(frozen=True)

    model: str
    adapter: str | None
    device: str
    clips: list[TranscribedClip]
    totals: Totals


class _Item(BaseModel):
    """One line of a manifest, as far as reading needs it."""

    audio_filepath: str
    text: str | None = None


def transcribe(recogniser: Recogniser, clips: Sequence[Clip]) -> list[Hypothesis]:
    """What the model writes for each clip, in their order.

    Clips of similar length are decoded together, which changes no text. Raises DataError where a clip is too short or
    too long.
    """
    family, found = recogniser.family, dict[int, Hypothesis]()
    by_length = sorted(range(len(clips)), key=lambda place: len(clips[place].samples))
    for places in in_batches(by_length, lambda place: len(clips[place].samples) / family.sample_rate):
        batch = [clips[place] for place in places]
        written = family.transcribe_batch(recogniser.model, recogniser.processor, batch)
        found |= dict(zip(places, written, strict=True))
    return [found[place] for place in range(len(clips))]


def transcribe_list(
    sources: Path | Sequence[Path],
    *,
    model: str = "starter",
    adapter: Path | str | None = None,
    processor: Path | None = None,
    device: str = "auto",
    output: Path | None = None,
    workspace: Workspace | None = None,
    words: bool = False,
    mend: str = "",
) -> dict[str, Any]:
    """Read sound files: those named, or those listed in a manifest.jsonl or in a text file, one path a line.

    Paths in a list are relative to it. `adapter` is a LoRA folder or a run of `workspace` (by default the current
    folder), `processor` a folder that takes the place of the model's own. With `words` each gets its times: by the
    model itself where it is a Whisper or writes in step with the sound, else by a Whisper on this disk. `mend`, a
    typing run or “typing-starter”, corrects each text besides. Returns a `Transcription` as JSON, also written whole to
    `output`. A file that cannot be read as sound gets an `error` and the others go on; one that is longer than the
    model takes is done piece by piece.
    Raises DataError where there is nothing to do, a file is missing, or none is usable; ModelError, DeviceError,
    DiskError.
    """
    locate(model)  # says what is wrong with the model before anything is transcribed
    items = sound_files(sources)
    workspace = workspace or Workspace(Path.cwd())
    folder = find_adapter(adapter, workspace) if adapter else None
    recogniser = with_processor(load_to_read(model, device, folder), processor)
    by = aligner.for_words_of(recogniser, workspace) if words else None
    mender = typing_named(mend, workspace, device) if mend else None
    rows = read_all(recogniser, items)
    if by:
        rows = [row if row.error else _with_times(row, by) for row in rows]
    if mender:
        rows = [row if row.error else _with_mended(row, mender) for row in rows]
    if all(row.error for row in rows):
        raise DataError(str(rows[0].error))
    result = Transcription(
        model=model, adapter=str(folder) if folder else None, device=recogniser.device, clips=rows, totals=_totals(rows)
    ).model_dump(mode="json")
    if output is not None:
        write_atomically(output, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return result


def _with_times(row: TranscribedClip, recogniser: Recogniser) -> TranscribedClip:
    whole = Segment(start=0.0, end=row.seconds, text=row.text)
    try:
        words = timed(recogniser, Path(row.audio), row.segments or [whole])
    except DataError as error:
        return row.model_copy(update={"error": str(error)})
    return row.model_copy(update={"word_times": words})


def _with_mended(row: TranscribedClip, mender: Recogniser) -> TranscribedClip:
    return row.model_copy(update={"mended": mend_text(mender, row.text).text})


def with_processor(recogniser: Recogniser, folder: Path | None) -> Recogniser:
    """`recogniser` with the processor in `folder` in place of its own, where one is given. Raises ModelError."""
    if folder is None:
        return recogniser
    return replace(recogniser, processor=recogniser.family.load_processor(folder))


def sound_files(sources: Path | Sequence[Path]) -> list[tuple[Path, str | None]]:
    """Each sound file with its reference. Raises DataError where there are none, or one is missing."""
    items: list[tuple[Path, str | None]] = []
    items += _listed(sources) if isinstance(sources, Path) else ((path, None) for path in sources)
    if not items:
        raise DataError("There is nothing to transcribe.", "Name sound files, or a list of them.")
    for path, _ in items:
        if not path.is_file():
            raise DataError(f"There is no sound file {path}.", "Check the path.")
    return items


def _listed(listing: Path) -> Iterator[tuple[Path, str | None]]:
    with disk_errors(listing, "read"):
        text = listing.read_bytes().decode("utf-8-sig", "replace")
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip():
            continue
        if listing.suffix not in _MANIFESTS:
            yield listing.parent / line.strip(), None
            continue
        try:
            item = _Item.model_validate_json(line)
        except ValueError as error:
            raise DataError(f"Line {number} of {listing} is not one of a manifest.", "Fix or delete it.") from error
        yield listing.parent / item.audio_filepath, item.text


def read_all(recogniser: Recogniser, items: Sequence[tuple[Path, str | None]]) -> list[TranscribedClip]:
    """One row an item, in their order."""
    rows: list[TranscribedClip] = []
    for start in range(0, len(items), _IN_MEMORY):
        part = items[start : start + _IN_MEMORY]
        clips = [
            None if _is_long(recogniser.family, path) else clip_or_error(recogniser.family, path) for path, _ in part
        ]
        read = iter(transcribe(recogniser, [clip for clip in clips if isinstance(clip, Clip)]))
        for (path, reference), clip in zip(part, clips, strict=True):
            if isinstance(clip, Clip):
                rows.append(_row(path, reference, next(read)))
            elif clip is None:
                rows.append(_long_row(recogniser, path, reference))
            else:
                rows.append(TranscribedClip(audio=str(path), reference=reference, error=clip))
    return rows


def clip_or_error(family: Family, path: Path) -> Clip | str:
    """The sound in `path`, or why the family cannot transcribe it."""
    try:
        clip = Clip(audio.read(path, family.sample_rate).samples, id=path.name)
        check_length(family, clip)
    except (AudioError, DataError) as error:
        return str(error)
    return clip


def _is_long(family: Family, path: Path) -> bool:
    """Whether it lasts longer than the family takes at once; what is not a sound file does not."""
    try:
        return audio.length(path) > family.max_seconds
    except AudioError:
        return False


def _long_row(recogniser: Recogniser, path: Path, reference: str | None) -> TranscribedClip:
    """A recording that is transcribed piece by piece, with the times of its pieces."""
    began = time.perf_counter()
    try:
        segments = list(LongRecording(recogniser, path).segments())
    except AudioError as error:
        return TranscribedClip(audio=str(path), reference=reference, error=str(error))
    text = " ".join(segment.text for segment in segments if segment.text)
    whole = Hypothesis(text=text, seconds=audio.length(path), latency=time.perf_counter() - began)
    return _row(path, reference, whole).model_copy(update={"segments": segments})


def _row(path: Path, reference: str | None, hypothesis: Hypothesis) -> TranscribedClip:
    scored = score([reference], [hypothesis.text]) if reference else None
    return TranscribedClip(
        audio=str(path),
        **hypothesis.model_dump(),
        reference=reference,
        wer=scored.wer if scored else None,
        cer=scored.cer if scored else None,
    )


def _totals(rows: Sequence[TranscribedClip]) -> Totals:
    read = [row for row in rows if row.error is None]
    pairs = [(row.reference, row.text) for row in read if row.reference]
    return Totals(
        clips=len(read),
        failed=len(rows) - len(read),
        seconds=sum(row.seconds for row in read),
        latency=sum(row.latency for row in read),
        score=score([reference for reference, _ in pairs], [text for _, text in pairs]) if pairs else None,
    )
