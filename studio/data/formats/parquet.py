"""Parquet with the sound inside, as the Hugging Face Hub keeps it: a column `audio` of {bytes, path}.

Written in shards with the features that `datasets.load_dataset` reads, `data/<split>-00000-of-00002.parquet`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from studio.data.formats import fields
from studio.data.formats.base import Base, Column, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import kind_of, stem
from studio.data.utterance import Split
from studio.errors import DataError, DiskError
from studio.workspace import disk_errors

BATCH = 16  # rows in memory at once while reading
GROUP = 4 << 20  # bytes of sound in memory at once while writing
MOST_ROWS = 256  # in one group, which readers may read whole
SHARD = 400 << 20  # bytes of sound in one file


def parquet_library() -> tuple[Any, Any]:
    """pyarrow and its Parquet part. Raises DataError with how to get it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        what = "Parquet needs the package pyarrow, which is not installed."
        raise DataError(what, "pip install 'speech-studio[parquet]'") from error
    return pyarrow, pyarrow.parquet


class Parquet(Base):
    """Shards of a data set, or one of them."""

    name, title = "parquet", "Parquet with embedded audio"
    holds = "Keeps speaker, split, prompt and word times."

    def recognise(self, path: Path) -> float:
        """By its suffix: nothing else is called so."""
        return 0.98 if self._shards(path) else 0.0

    def _shards(self, path: Path) -> list[Path]:
        if path.is_file():
            return [path] if path.suffix.lower() == ".parquet" else []
        return sorted(file for deep in ("", "data/", "*/") for file in path.glob(f"{deep}*.parquet") if file.is_file())

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """The rows of every shard."""
        for shard in dict.fromkeys(self._shards(path)):
            split = reading.names.split_of(shard, path)
            try:
                yield from _rows(shard, split, reading)
            except (OSError, ValueError, DiskError) as error:  # pyarrow's own errors are OSError and ValueError
                reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                yield Refused(shard.name, f"It is damaged or not Parquet: {reason}", "Download it again.")

    def columns(self, path: Path, reading: ReadOptions) -> list[Column]:
        """What each column becomes."""
        _, library = parquet_library()
        shards = self._shards(path)
        if not shards:
            return []
        try:
            with library.ParquetFile(shards[0]) as file:
                names = file.schema_arrow.names
                first = next(file.iter_batches(1), None)
        except (OSError, ValueError):
            return []
        record = (first.to_pylist() or [{}])[0] if first is not None else {}
        return fields.shown(names, fields.guess(names, _audio_first(names, reading)), _without_bytes(record))

    def count(self, path: Path, reading: ReadOptions) -> int:
        """By what the shards say of themselves: their sound is not read."""
        _, library = parquet_library()
        total = 0
        for shard in self._shards(path):
            try:
                with library.ParquetFile(shard) as file:
                    total += file.metadata.num_rows
            except (OSError, ValueError):
                total += 1  # the refusal
        return total

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """`data/<split>-*.parquet`."""
        with ExitStack() as stack:
            shards: dict[str, _Shards] = {}
            for clip in clips:
                split = clip.utterance.split
                if split not in shards:
                    shards[split] = stack.enter_context(_Shards(target.folder / "data", split))
                shards[split].add(clip)


def _audio_first(names: list[str], reading: ReadOptions) -> Mapping[str, str]:
    """The column `audio` holds the sound; `path` and `file`, which may come with it, are only names."""
    return {"audio": "audio", **reading.mapping} if "audio" in names else reading.mapping


def _rows(shard: Path, split: Split | None, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
    _, library = parquet_library()
    files = reading.files(shard)
    with library.ParquetFile(shard) as file:
        names = file.schema_arrow.names
        meant = fields.guess(names, _audio_first(names, reading))
        if "audio" not in meant:
            raise DataError(f"No column of {shard.name} holds the sound.", "Say which one does: --map audio=COLUMN.")
        number = 0
        for batch in file.iter_batches(BATCH):
            for record in batch.to_pylist():
                number += 1
                yield _row(f"{shard.name} row {number}", record, meant, files, split)


def _row(name: str, record: dict[str, Any], meant: dict[str, str], files: Any, split: Split | None) -> Any:
    """A row whose sound is inside, or next to it under the path that it names."""
    sound = record.get(meant["audio"])
    content = sound.get("bytes") if isinstance(sound, dict) else sound if isinstance(sound, bytes) else None
    path = sound.get("path") if isinstance(sound, dict) else sound
    if not content:
        return fields.to_row(name, {**record, meant["audio"]: path}, meant, files, split=split)
    rest = {field: column for field, column in meant.items() if field != "audio"}
    record = {key: value for key, value in record.items() if key != meant["audio"]}
    title = f"{name} ({path})" if isinstance(path, str) and path else name
    return fields.to_row(title, record, rest, files, split=split, content=content)


def _without_bytes(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.get("path") if isinstance(value, dict) else value
        for key, value in record.items()
        if not isinstance(value, bytes)
    }


class _Shards(ExitStack):
    """The files of one split: written under a passing name, since only the last shard knows how many there are."""

    def __init__(self, folder: Path, split: str) -> None:
        super().__init__()
        self.folder, self.split = folder, split
        self.count, self.size = 0, 0  # shards; bytes in the one that is open
        self.waiting: list[dict[str, Any]] = []
        self.weight = 0  # bytes that wait
        self.writer: Any = None
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.callback(self._close)

    def add(self, clip: ExportClip) -> None:
        """Take a clip; every GROUP bytes, or MOST_ROWS, are written."""
        with disk_errors(clip.path, "read"):
            content = clip.path.read_bytes()
        own = clip.utterance
        name = f"{stem(clip)}{kind_of(clip.path.resolve().name)}"
        row = {"audio": {"bytes": content, "path": name}, **dict.fromkeys(fields.COLUMNS, "")}
        row |= {key: value for key, value in fields.record_of(own).items() if key in fields.COLUMNS}
        self.waiting.append({**row, "words": row["words"] or []})
        self.weight += len(content)
        if self.weight >= GROUP or len(self.waiting) >= MOST_ROWS:
            self._flush()

    def _flush(self) -> None:
        library, parquet = parquet_library()
        schema = _schema(library)
        if self.writer is None:
            path = self.folder / f"{self.split}-{self.count:05d}"
            with disk_errors(path):
                self.writer = parquet.ParquetWriter(path, schema, compression="snappy")
            self.count, self.size = self.count + 1, 0
        with disk_errors(self.folder):
            self.writer.write_table(library.Table.from_pylist(self.waiting, schema=schema))
        self.size += self.weight
        self.waiting, self.weight = [], 0
        if self.size >= SHARD:
            self._end_shard()

    def _end_shard(self) -> None:
        if self.writer is not None:
            with disk_errors(self.folder):
                self.writer.close()
        self.writer = None

    def _close(self) -> None:
        if self.waiting:
            self._flush()
        self._end_shard()
        for number in range(self.count):
            name = f"{self.split}-{number:05d}"
            with disk_errors(self.folder):
                (self.folder / name).rename(self.folder / f"{name}-of-{self.count:05d}.parquet")


def _schema(library: Any) -> Any:
    """The columns, with the features that mark `audio` as sound for `datasets`."""
    timed = library.struct([("word", library.string()), ("start", library.float64()), ("end", library.float64())])
    text = {"dtype": "string", "_type": "Value"}
    number = {"dtype": "float64", "_type": "Value"}
    features: dict[str, Any] = {"audio": {"_type": "Audio"}, **dict.fromkeys(fields.COLUMNS, text)}
    features |= {
        "duration": number,
        "words": {"feature": {"word": text, "start": number, "end": number}, "_type": "List"},
    }
    kinds = {"duration": library.float64(), "words": library.list_(timed)}
    columns = [("audio", library.struct([("bytes", library.binary()), ("path", library.string())]))]
    columns += [(name, kinds.get(name, library.string())) for name in fields.COLUMNS]
    return library.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})
