"""Label Studio: its JSON export (and JSON-MIN), transcriptions of whole files or of regions of them.

Sound is found by `/data/local-files/?d=…`, `/data/upload/<project>/<8 characters>-name` or the plain name.
https://labelstud.io/guide/task_format
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

from studio.data.formats import fields, lists, names
from studio.data.formats.base import Base, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import SOUNDS, Files, kind_of, place, stem
from studio.errors import DataError
from studio.workspace import disk_errors

_HOST = r"(?:https?://[^/]+)?"  # that of the server itself, before its own addresses
_LOCAL = re.compile(rf"{_HOST}/data/local-files/\?d=(.+)", re.DOTALL)
_UPLOAD = re.compile(rf"{_HOST}/data/upload/(?:.*/)?(.+)", re.DOTALL)
_DEEPEST = 20  # folders
_OWN_DATA = ("text", "duration", "words")


class LabelStudio(Base):
    """A project with an Audio object and a TextArea for what is said."""

    name, title = "label-studio", "Label Studio JSON"
    holds = "Keeps speaker, split, prompt and every other key, as data of the task."

    def recognise(self, path: Path) -> float:
        """A JSON array of tasks."""
        found = self._export(path)
        start = " ".join(lists.sample(found, 60))[:6000] if found else ""
        if not start.lstrip().startswith("["):
            return 0.0
        return 0.9 if re.search(r'"(annotations|completions|annotation_id|lead_time)"', start) else 0.2

    def _export(self, path: Path) -> Path | None:
        if path.is_file():
            return path if path.suffix.lower() == ".json" else None
        found = [file for file in sorted(path.glob("[!.]*.json")) if file.is_file()]
        return found[0] if len(found) == 1 else None

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """A row for each transcribed region, or for the whole file where there are no regions."""
        export = self._export(path)
        if export is None:
            raise DataError(f"{path.name} does not hold exactly one JSON export.", "Give the exported file itself.")
        files = reading.files(export)
        for number, task in lists.json_array(export):
            name = f"{export.name} task {number}"
            if isinstance(task, Refused):
                yield task
            elif not isinstance(task, dict):
                yield Refused(name, "It is not a task.", "Export the project as JSON.")
            else:
                yield from _rows(name, task, files)

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """`tasks.json` and `audio/*.wav`, addressed as local files below the folder that Label Studio serves."""
        with disk_errors(target.folder), (target.folder / "tasks.json").open("x", encoding="utf-8") as stream:
            stream.write("[")
            for number, clip in enumerate(clips, 1):
                audio = place(clip, target.folder / "audio", stem(clip))
                address = f"/data/local-files/?d={quote(f'{target.name}/audio/{audio}')}"
                stream.write(("\n" if number == 1 else ",\n") + lists.dumps(_task(number, clip, address)))
            stream.write("\n]\n")


def _task(number: int, clip: ExportClip, address: str) -> dict[str, Any]:
    own = clip.utterance
    data = {key: value for key, value in fields.record_of(own).items() if key not in _OWN_DATA}
    said = {"from_name": "transcription", "to_name": "audio", "type": "textarea", "value": {"text": [own.text]}}
    return {"id": number, "data": {"audio": address, **data}, "annotations": [{"result": [said]}]}


def _rows(name: str, task: dict[str, Any], files: Files) -> Iterator[ImportRow | Refused]:
    data: dict[str, Any] = found if isinstance(found := task.get("data"), dict) else task
    try:
        audio = files.find(*_addresses(data), within=("", "audio", "upload"))
    except DataError as error:
        yield Refused(name, error.what, error.remedy)
        return
    said = list(_said(task))
    if not said:
        yield Refused(name, "It has no transcript.", "Transcribe it in Label Studio, or leave it out.")
    for number, (text, start, end) in enumerate(said, 1):
        title = f"{name} region {number}" if len(said) > 1 else name
        try:
            yield _row(title, data, audio, text, fields.seconds(start), fields.seconds(end))
        except DataError as error:
            yield Refused(title, error.what, error.remedy)


def _row(name: str, data: dict[str, Any], audio: Path, text: Any, start: float | None, end: float | None) -> ImportRow:
    if start is not None and end is not None and end <= start:
        raise DataError("Its region does not end after its start.", "Correct it in Label Studio.")
    lasts = end - (start or 0.0) if end is not None else None
    return ImportRow(
        name=f"{name} ({audio.name})",
        audio=audio,
        text=fields.string(text),
        start=start or 0.0,
        duration=lasts,
        declared=lasts,
        prompt=fields.string(data.get("prompt")),
        speaker=fields.string(data.get("speaker")),
        session=fields.string(data.get("session")),
        split=names.meant(fields.string(data.get("split"))),
        extra=fields.extra(data, ("audio", "transcription", "annotations", "annotator", "annotation_id", "label")),
    )


def _addresses(data: dict[str, Any]) -> list[str]:
    """The names that the task's sound file may have, freed of what Label Studio puts around them, the likeliest first.

    It writes addresses percent-encoded or, in older versions, as they are; so a `+` or `%` may mean itself.
    """
    written = [value for value in data.values() if isinstance(value, str) and len(value) < 2000]
    return next((names for names in map(_names, written) if any(kind_of(name) in SOUNDS for name in names)), [""])


def _names(address: str) -> list[str]:
    """What `address` may mean: one below a folder that only Label Studio knows is found by its last parts."""
    if not (found := _LOCAL.match(address) or _UPLOAD.match(address)):
        return [address]
    raw = found[1].lstrip("/")
    ways = dict.fromkeys([unquote(raw), raw, unquote_plus(raw), raw.partition("&")[0]])
    if found.re is _UPLOAD:
        return [name for way in ways for name in (re.sub(r"^[0-9a-f]{8}-", "", way), way)]
    parts = [way.split("/") for way in ways]
    return ["/".join(each[start:]) for each in parts for start in range(min(len(each), _DEEPEST))]


def _said(task: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Text, start and end (seconds, or None for the whole) of each transcription of a task."""
    done = task.get("annotations", task.get("completions"))
    if not isinstance(done, list):
        written = task.get("transcription", task.get("text"))
        yield from ((text, None, None) for text in (written if isinstance(written, list) else [written]) if text)
        return
    for each in done:
        if not isinstance(each, dict) or each.get("was_cancelled"):
            continue
        for item in each["result"] if isinstance(each.get("result"), list) else []:
            value = item.get("value") if isinstance(item, dict) else None
            if isinstance(value, dict) and value.get("text"):
                text = value["text"]
                yield " ".join(map(str, text)) if isinstance(text, list) else text, value.get("start"), value.get("end")
        return  # the first person's word counts
