"""lhotse cuts: JSON lines, mostly packed as .jsonl.gz; a MonoCut has a recording and its supervisions.

Each supervision becomes a clip of its own, cut out of the recording. https://lhotse.readthedocs.io/en/latest/cuts.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from studio.data import word_times
from studio.data.formats import fields, lists, names
from studio.data.formats.base import Base, ImportRow, ReadOptions, Refused, Target, Words
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import Files, place, stem
from studio.data.formats.sheets import Sheets
from studio.data.utterance import Split
from studio.errors import DataError

_SUFFIXES = (".jsonl", ".jsonl.gz")
_SAME = 0.02  # seconds by which a supervision may end past its recording: frames are rounded


class Lhotse(Base):
    """Cuts of plain sound files; mixed and padded cuts have no file of their own."""

    name, title = "lhotse", "lhotse cuts"
    holds = "Keeps speaker, split, prompt, word times and every other key."

    def recognise(self, path: Path) -> float:
        """A line that calls itself a cut."""
        for manifest in self._manifests(path):
            text = next(iter(lists.sample(manifest, 1)), "")
            record = lists.parse_json(text)
            if isinstance(record, dict) and ("supervisions" in record or str(record.get("type", "")).endswith("Cut")):
                return 0.97
        return 0.0

    def _manifests(self, path: Path) -> list[Path]:
        if path.is_file():
            return [path] if path.name.lower().endswith(_SUFFIXES) else []
        found = sorted(file for file in path.glob("[!.]*.jsonl*") if file.is_file())
        return [file for file in found if "cut" in file.name and file.name.endswith(_SUFFIXES)]

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """A row for each supervision of each cut."""
        for manifest in self._manifests(path):
            split, files = reading.names.split_of(manifest, path), reading.files(manifest)
            for name, cut in lists.json_lines(manifest):
                if isinstance(cut, Refused):
                    yield cut
                else:
                    yield from _rows(name, cut, files, split)

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """`audio/*.wav` and `cuts_<split>.jsonl.gz`."""
        with Sheets(target.folder) as sheets:
            for clip in clips:
                audio = place(clip, target.folder / "audio", stem(clip))
                cut = _cut(clip, target.address(f"audio/{audio}"))
                sheets.line(f"cuts_{clip.utterance.split}.jsonl.gz", lists.dumps(cut))


def _rows(name: str, cut: dict[str, Any], files: Files, split: Split | None) -> Iterator[ImportRow | Refused]:
    try:
        if cut.get("type", "MonoCut") != "MonoCut":
            raise DataError(f"It is a {str(cut.get('type'))[:40]}, not a MonoCut.", "Save it as MonoCuts first.")
        audio = files.find(_source(cut.get("recording")))
        supervisions = cut.get("supervisions")
        if not isinstance(supervisions, list) or not supervisions:
            raise DataError("It has no supervision, so there is no text.", "Add one with its text.")
    except DataError as error:
        yield Refused(name, error.what, error.remedy)
        return
    for number, said in enumerate(supervisions, 1):
        title = f"{name} supervision {number}" if len(supervisions) > 1 else name
        try:
            yield _row(title, cut, said if isinstance(said, dict) else {}, audio, split)
        except DataError as error:
            yield Refused(title, error.what, error.remedy)


def _source(recording: Any) -> str:
    """The sound file of a recording. Raises DataError for what is not one plain file."""
    sources = recording.get("sources") if isinstance(recording, dict) else None
    source = sources[0] if isinstance(sources, list) and len(sources) == 1 else None
    if not isinstance(source, dict) or source.get("type") != "file":
        kind = str(source.get("type"))[:40] if isinstance(source, dict) else "several sources or none"
        raise DataError(
            f"Its recording is not a plain file ({kind}).", "Save its sound as files first; nothing is run."
        )
    return fields.string(source.get("source"))


def _row(name: str, cut: dict[str, Any], said: dict[str, Any], audio: Path, split: Split | None) -> ImportRow:
    """The part of the recording over which `said` was said; its times count from the start of the cut."""
    start = (fields.seconds(cut.get("start")) or 0.0) + _signed(said.get("start"))
    duration = fields.seconds(said.get("duration"))
    recording = cut["recording"]
    whole = fields.seconds(recording.get("duration"))
    is_whole = duration is None or (whole is not None and start <= _SAME and duration >= whole - _SAME)
    custom: dict[str, Any] = found if isinstance(found := said.get("custom"), dict) else {}
    return ImportRow(
        name=f"{name} ({audio.name})",
        audio=audio,
        text=fields.string(said.get("text")),
        start=0.0 if is_whole else max(start, 0.0),
        duration=None if is_whole else duration,
        declared=duration,
        prompt=fields.string(custom.get("prompt")),
        speaker=fields.string(said.get("speaker")),
        session=fields.string(custom.get("session")),
        split=names.meant(fields.string(custom.get("split"))) or split,
        words=_words(said),
        extra=fields.extra(custom, ())
        | fields.extra(said, ("recording_id", "start", "channel", "alignment", "custom")),
    )


def _signed(value: Any) -> float:
    """A supervision may begin before its cut."""
    return -(fields.seconds(-value) or 0.0) if isinstance(value, float) and value < 0 else fields.seconds(value) or 0.0


def _words(said: dict[str, Any]) -> Words | None:
    """The word alignment: [symbol, start, duration, score], counted from the start of the cut."""
    alignment = said.get("alignment")
    items = alignment.get("word") if isinstance(alignment, dict) else None
    begin = _signed(said.get("start"))
    if not isinstance(items, list):
        return None
    try:
        timed = [[item[0], [max(0.0, item[1] - begin), max(0.0, item[1] - begin) + item[2]]] for item in items]
    except (TypeError, IndexError, KeyError) as error:
        raise DataError("Its word alignment cannot be read.", "Write [symbol, start, duration, score].") from error
    return fields.words([[word, [round(start, 4), round(end, 4)]] for word, (start, end) in timed])


def _cut(clip: ExportClip, address: str) -> dict[str, Any]:
    from studio.audio import rate_and_frames

    own, name = clip.utterance, stem(clip)
    rate, frames = rate_and_frames(clip.path)
    duration = frames / rate
    custom = {key: value for key, value in fields.record_of(own).items() if key not in _OWN}
    said: dict[str, Any] = {"id": name, "recording_id": name, "start": 0.0, "duration": duration, "channel": 0}
    said |= {"text": own.text} | ({"speaker": own.speaker} if own.speaker else {}) | {"custom": custom}
    if words := word_times.timed(own):
        said["alignment"] = {"word": [[word, start, round(end - start, 4), None] for word, (start, end) in words]}
    recording = {
        "id": name,
        "sources": [{"type": "file", "channels": [0], "source": address}],
        "sampling_rate": rate,
        "num_samples": frames,
        "duration": duration,
        "channel_ids": [0],
    }
    cut = {"id": name, "start": 0.0, "duration": duration, "channel": 0, "supervisions": [said]}
    return {**cut, "recording": recording, "type": "MonoCut"}


_OWN = ("text", "speaker", "duration", "words")
