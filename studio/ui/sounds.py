"""Sounds on their way to the browser: as audio or as a file to save, never as a page.

A recording may hold anything in its chunks of text, and the browser would run it with the studio's rights.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from fastapi.responses import FileResponse

from studio.workspace import disk_errors

_BYTES = 12  # of a file's beginning, by which it is known
_PLAYED = (
    (b"RIFF", b"WAVE", "audio/wav"),
    (b"RF64", b"WAVE", "audio/wav"),
    (b"FORM", b"AIF", "audio/aiff"),
    (b"fLaC", b"", "audio/flac"),
    (b"OggS", b"", "audio/ogg"),
    (b"ID3", b"", "audio/mpeg"),
)
HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}


def sound_answer(path: Path, name: str, cached: str = "no-cache") -> FileResponse:
    """The sound file `path`; what a browser would not play is saved as `name`. Raises DiskError."""
    kind = kind_of(path)
    headers = HEADERS | {"Cache-Control": cached}
    if not kind:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return FileResponse(path, media_type=kind or "application/octet-stream", headers=headers)


def kind_of(path: Path) -> str:
    """The media type of the sound in `path`, by its first bytes whatever its name says; empty where it is none."""
    with disk_errors(path, "read"), path.open("rb") as file:
        start = file.read(_BYTES)
    for first, form, kind in _PLAYED:
        if start.startswith(first) and start[8:].startswith(form):
            return kind
    is_mpeg_frame = len(start) > 2 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0
    return "audio/mpeg" if is_mpeg_frame else ""
