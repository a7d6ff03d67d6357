"""moshi-finetune (Kyutai): `{"path", "duration"}` a line, and next to each WAV file a JSON with its timed words.

`{"alignments": [["word", [start, end], "SPEAKER_MAIN"], …]}`; label, speaker and the rest are in the same file under
keys that moshi-finetune does not read. https://github.com/kyutai-labs/moshi-finetune#-prepare-dataset
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
from studio.workspace import disk_errors

_MAIN = "SPEAKER_MAIN"  # the only speaker whose words it trains
_LARGEST = 8 << 20  # bytes of one alignment


class Moshi(Base):
    """The words of the main speaker are the label, where the file has no label."""

    name, title = "moshi-finetune", "moshi-finetune (Kyutai)"
    holds = "Needs word times; keeps them, speaker, split and every other key."

    def recognise(self, path: Path) -> float:
        """A line with path and duration, and an alignment next to the sound."""
        for manifest in self._manifests(path):
            record = lists.parse_json(next(iter(lists.sample(manifest, 1)), ""))
            if isinstance(record, dict) and {"path", "duration"} <= record.keys() and "text" not in record:
                return 0.9
        return 0.0

    def _manifests(self, path: Path) -> list[Path]:
        if path.is_file():
            return [path] if path.suffix.lower() == ".jsonl" else []
        return sorted(file for file in path.glob("[!.]*.jsonl") if file.is_file())

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """One row a line."""
        for manifest in self._manifests(path):
            files, split = reading.files(manifest), reading.names.split_of(manifest, path)
            for name, record in lists.json_lines(manifest):
                yield record if isinstance(record, Refused) else _row(name, record, files, split)

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """`audio/*.wav`, `audio/*.json` and a list for each split; a clip without word times is left out."""
        with Sheets(target.folder) as sheets:
            for clip in clips:
                own = clip.utterance
                if not own.words:
                    target.skip(clip, "It has no word times.", "Align it first, or choose another format.")
                elif wrong := word_times.fault(own.words, own.text, own.duration):
                    target.skip(clip, wrong, "Align it again.")
                else:
                    _write(clip, target, sheets)


def _write(clip: ExportClip, target: Target, sheets: Sheets) -> None:
    own = clip.utterance
    audio = place(clip, target.folder / "audio", stem(clip), wav=True)
    record = {
        "alignments": [[word, [start, end], _MAIN] for word, (start, end) in own.words or ()],
        **{key: value for key, value in fields.record_of(own).items() if key not in ("words", "duration")},
    }
    sheets.line(f"{own.split}.jsonl", lists.dumps({"path": f"audio/{audio}", "duration": own.duration}))
    alignment = target.folder / "audio" / f"{audio.removesuffix('.wav')}.json"
    with disk_errors(alignment):
        alignment.write_text(lists.dumps(record), encoding="utf-8")


def _row(name: str, record: dict[str, Any], files: Files, split: Split | None) -> ImportRow | Refused:
    try:
        audio = files.find(fields.string(record.get("path")))
        beside = _alignment(audio, files)
        timed = _words(beside.get("alignments"))
        return ImportRow(
            name=f"{name} ({audio.name})",
            audio=audio,
            text=fields.string(beside.get("text")) or " ".join(word for word, _ in timed),
            declared=fields.seconds(record.get("duration")),
            prompt=fields.string(beside.get("prompt")),
            speaker=fields.string(beside.get("speaker")),
            session=fields.string(beside.get("session")),
            split=names.meant(fields.string(beside.get("split"))) or split,
            words=timed or None,
            extra=fields.extra({**record, **beside}, ("path", "alignments")),
        )
    except DataError as error:
        return Refused(name, error.what, error.remedy)


def _alignment(audio: Path, files: Files) -> dict[str, Any]:
    """The contents of the JSON file next to `audio`. Raises DataError."""
    path = audio.with_suffix(".json")
    remedy = "Write its words and their times there (annotate.py of moshi-finetune does)."
    if not path.is_file() or not files.holds(path):
        raise DataError(f"{path.name} is missing next to it.", remedy)
    with disk_errors(path, "read"):
        is_small = path.stat().st_size <= _LARGEST
        found = lists.parse_json(path.read_bytes().decode("utf-8-sig", "surrogateescape")) if is_small else None
    if not isinstance(found, dict):
        raise DataError(f"{path.name} is not a JSON object.", remedy)
    return found


def _words(alignments: Any) -> Words:
    """The main speaker's words; everyone's where no speaker is marked as main. Raises DataError."""
    if not isinstance(alignments, list):
        raise DataError("Its alignments are missing.", 'Write {"alignments": [["word", [start, end], speaker], …]}.')
    main = [item for item in alignments if isinstance(item, list) and len(item) > 2 and item[2] == _MAIN]
    return fields.words(main or alignments) or []
