"""Lists of clips as text: lines, tables, JSON; read a piece at a time, however long and however broken."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sqlite3
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from studio.data.formats.base import Refused
from studio.data.formats.files import SOUNDS, kind_of
from studio.errors import DataError, DiskError, StudioError
from studio.text import lines_of
from studio.workspace import disk_errors

LONGEST_LINE = 1 << 20  # characters; a label with its words takes some thousand
MOST_AGAIN = 64 << 20  # characters of a table that stray quotes may cause to be read again
MOST_TEXT = 8 << 30  # characters of one list: a small compressed file may claim to hold any number
_SAMPLE = 1 << 16  # bytes by which a format is recognised
_NOT_UTF_8 = "It is not UTF-8 text."
_QUOTE_REMEDY = "Look for a stray quote: delete it, or close it."
_CR, _CR_REMEDY = "It has a carriage return (CR) in the middle.", "Delete it: lines end with LF or CRLF."
_CHUNK = 1 << 16


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """`path` as text: UTF-8, UTF-16 or UTF-32, with or without a mark, unpacked if it ends in .gz.

    Raises DiskError, and DataError for line ends of old Macintosh programs, which would make one line of all.
    """
    if path.exists() and not path.is_file():  # a pipe would never end, nor would a device
        raise DiskError(f"{path} is not a plain file.", "Put the list itself there.")
    with disk_errors(path, "read"):
        stream = path.open("rb")
    with stream:
        buffered = io.BufferedReader(gzip.GzipFile(fileobj=stream)) if path.suffix.lower() == ".gz" else stream
        start = _start(buffered)
        if b"\r" in start and b"\n" not in start and ".json" not in path.suffixes:
            what = f"The lines of {path.name} end with a carriage return (CR) alone, as on old Macintoshes."
            raise DataError(what, "Save it with line ends of Unix (LF) or Windows (CRLF).")
        with io.TextIOWrapper(buffered, encoding=_encoding(start), errors="surrogateescape", newline="\n") as text:
            yield text


def _start(stream: io.BufferedReader[Any]) -> bytes:
    """The first bytes, some thousand; none where they cannot be read."""
    try:
        return stream.peek(1)
    except (OSError, EOFError, zlib.error):
        return b""


def _encoding(start: bytes) -> str:
    """By the mark at the start, or without one by the zeros that UTF-16 has in every second byte of English."""
    if start.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    zeros = [start[:64][place::2].count(0) * 4 > len(start[:64]) for place in (0, 1)]  # more than half of them
    return {(True, False): "utf-16-be", (False, True): "utf-16-le"}.get((zeros[0], zeros[1]), "utf-8-sig")


def lines(path: Path) -> Iterator[tuple[int, str | Refused]]:
    """Every line of `path` with its number from 1, without its end. Raises DiskError where it cannot be opened."""
    with opened(path) as text:
        yield from _lines(text, path.name)


def _lines(text: IO[str], name: str) -> Iterator[tuple[int, str | Refused]]:
    number, characters = 0, 0
    while True:
        number += 1
        place = f"{name} line {number}"
        try:
            line = text.readline(LONGEST_LINE + 1)
            if len(line) > LONGEST_LINE and not line.endswith("\n"):
                _to_line_end(text)
                yield number, Refused(place, f"It is longer than {LONGEST_LINE >> 20} MB.", "Is the file a list?")
                continue
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            yield number, Refused(place, f"The file breaks off or cannot be unpacked: {error}.", "Copy it again.")
            return
        characters += len(line)
        if not line or characters > MOST_TEXT:
            return
        line = line.removesuffix("\n").removesuffix("\r")
        bad = any("\udc80" <= character <= "\udcff" for character in line) if not line.isascii() else False
        yield number, Refused(place, _NOT_UTF_8, "Save it as UTF-8.") if bad else line


def _to_line_end(text: IO[str]) -> None:
    """Read on to the end of a line that is too long to keep."""
    read = 0
    while (piece := text.readline(LONGEST_LINE)) and not piece.endswith("\n"):
        read += len(piece)
        if read > MOST_TEXT:
            return


def sample(path: Path, count: int = 20) -> list[str]:
    """The first lines of `path` that can be read, at most `count`, for guessing what it is; none on any trouble."""
    found: list[str] = []
    try:
        with opened(path) as text:
            taken = text.read(_SAMPLE)
    except (OSError, EOFError, zlib.error, UnicodeError, StudioError):
        return found
    for line in lines_of(taken):
        if line.strip() and len(found) < count:
            found.append(line)
    return found


def check(path: Path) -> None:
    """Raise DataError or DiskError where the text of `path` cannot be divided into lines."""
    if kind_of(path.name) not in SOUNDS:
        with opened(path):
            pass


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any] | Refused]]:
    """Every JSON object of `path`, one a line, with the name of its line. Raises DiskError."""
    for number, line in lines(path):
        name = f"{path.name} line {number}"
        if isinstance(line, Refused):
            yield name, line
        elif line.strip():
            parsed = parse_json(line)
            yield name, parsed if isinstance(parsed, dict) else Refused(name, "It is not a JSON object.", "Correct it.")


def parse_json(text: str) -> Any:
    """What `text` says as JSON; None where it says nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def json_array(path: Path) -> Iterator[tuple[int, Any | Refused]]:
    """Every item of the JSON array in `path`, numbered from 1, one in memory at a time. Raises DiskError."""
    decoder = json.JSONDecoder()
    with opened(path) as text:
        buffer, number = _piece(text, _CHUNK).lstrip(), 1
        buffer = buffer.removeprefix("[")
        while True:
            buffer = buffer.lstrip(" \t\r\n,")
            if buffer.startswith("]"):
                return
            try:
                item, end = decoder.raw_decode(buffer) if buffer else (None, 0)
            except (ValueError, RecursionError) as error:
                item, end = error, 0
            if end and end < len(buffer):
                yield number, item
                buffer, number = buffer[end:], number + 1
                continue
            more = _piece(text, max(_CHUNK, len(buffer))) if len(buffer) < LONGEST_LINE else ""
            if not more:
                if buffer or number == 1:
                    yield number, Refused(f"{path.name} item {number}", "The JSON is incomplete.", "Export it again.")
                return
            buffer += more


def _piece(text: IO[str], size: int) -> str:
    """The next characters; none at the end, or where the file breaks off."""
    try:
        return text.read(size)
    except (OSError, EOFError, zlib.error, UnicodeError):
        return ""


def table(path: Path, delimiter: str, quoting: bool = True) -> Iterator[tuple[str, list[str] | Refused]]:
    """Every record of a table with the name of its line; the header is the first. Raises DiskError.

    A stray quote would swallow the lines after it: the line in which it opens is refused, and the next one read.
    """
    csv.field_size_limit(LONGEST_LINE)
    source = _Source(path)
    kind = _Quoted if quoting else _Unquoted
    reader = csv.reader(source, kind, delimiter=delimiter)
    while True:
        source.taken.clear()
        fault = ""
        record: list[str] | None = None
        try:
            record = next(reader, None)
            if record and source.is_over and _is_open(source.taken, kind, delimiter):
                fault = "A quote opens here and does not close."
        except csv.Error as error:
            fault = _fault_of(error)
        for refused in source.refusals():
            yield refused.name, refused
        if len(source.taken) > 1 and (fault or any(_holds_rows(cell, delimiter) for cell in record or ())):
            first, last = source.taken[0][0], source.taken[-1][0]
            fault = f"A quote opens here and, up to line {last}, makes the lines after it part of its cell."
            source.again()
            reader = csv.reader(source, kind, delimiter=delimiter)
        elif source.taken:
            first = source.taken[-1][0]
        elif record is None:
            return
        name = f"{path.name} line {first}"
        if fault:
            yield name, Refused(name, fault, _CR_REMEDY if fault == _CR else _QUOTE_REMEDY)
        elif record:
            yield name, record


def _fault_of(error: csv.Error) -> str:
    """What Python's reader of tables found wrong."""
    if "new-line character" in str(error):
        return _CR
    too_long = "field larger" in str(error)
    return f"A cell is longer than {LONGEST_LINE >> 20} MB." if too_long else "It is not a line of a table."


def _is_open(taken: Sequence[tuple[int, str]], kind: type[csv.Dialect], delimiter: str) -> bool:
    """Whether a quote is still open at the end of these lines: then the reader took all of the file into its cell."""
    try:
        deque(csv.reader([line for _, line in taken], kind, delimiter=delimiter, strict=True), 0)
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


class _Quoted(csv.excel):
    """Cells may be quoted."""


class _Unquoted(csv.excel):
    """A quote means itself."""

    quoting = csv.QUOTE_NONE


def _holds_rows(cell: str, delimiter: str) -> bool:
    """Whether a cell of several lines holds further rows: names of sound files, or numbers as of recordings."""
    _, *rest = cell.split("\n")
    pieces = (piece.strip(' "') for line in rest for piece in line.split(delimiter))
    return any(kind_of(piece) in SOUNDS for piece in pieces) or any(
        re.match(rf"\d+{re.escape(delimiter)}", line) for line in rest
    )


class _Source:
    """The lines of a table for its reader, some of which may be read once more."""

    def __init__(self, path: Path) -> None:
        self.taken: list[tuple[int, str]] = []  # since the last record
        self._lines = lines(path)
        self._waiting: deque[tuple[int, str]] = deque()
        self._refused: list[Refused] = []
        self._left = MOST_AGAIN
        self.is_over = False  # whether the reader asked for more lines than there are

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._waiting:
            self._waiting.extend(self._next())
        self.is_over = not self._waiting
        if self.is_over:
            raise StopIteration
        self.taken.append(self._waiting.popleft())
        return self.taken[-1][1]

    def _next(self) -> list[tuple[int, str]]:
        """The next line that can be read; none at the end."""
        for number, line in self._lines:
            if not isinstance(line, Refused):
                return [(number, line + "\n")]
            self._refused.append(line)
        return []

    def refusals(self) -> list[Refused]:
        """The lines that could not be read since this was last asked."""
        found, self._refused = self._refused, []
        return found

    def again(self) -> None:
        """Read once more what was taken, but for its first line; of a table made of stray quotes only a part."""
        self._left -= sum(len(line) for _, line in self.taken)
        if self._left > 0:
            self._waiting.extendleft(reversed(self.taken[1:]))


def cells(line: str, delimiter: str) -> list[str]:
    """The cells of one line of a table, for guessing what it is; none where it is no such line."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


class Index:
    """Names and what belongs to each, on disk beyond a few megabytes: for lists that refer to one another."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._rows = sqlite3.connect("")  # a private file that goes with the connection
        self._rows.execute("CREATE TABLE rows (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
        self._rows.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?)", pairs)

    def add(self, name: str, value: str) -> bool:
        """Put `name` in; False where it is there already."""
        return self._rows.execute("INSERT OR IGNORE INTO rows VALUES (?, ?)", (name, value)).rowcount == 1

    def get(self, name: str) -> str | None:
        """What belongs to `name`."""
        found = self._rows.execute("SELECT value FROM rows WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Every pair, by name in the order of its bytes."""
        yield from self._rows.execute("SELECT name, value FROM rows ORDER BY name")

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()


def dumps(value: Any) -> str:
    """One line of JSON, in the letters that people write."""
    return json.dumps(value, ensure_ascii=False)
