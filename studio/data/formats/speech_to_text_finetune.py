"""Mozilla speech-to-text-finetune: `text.csv` with `index,sentence` next to `rec_<index>.wav`.

That tool joins the n-th line to the n-th sound file by name, so the indices are written with leading zeros.
https://github.com/mozilla-ai/speech-to-text-finetune (src/speech_to_text_finetune/data_process.py)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from studio.data.formats import lists
from studio.data.formats.base import Base, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import Files, place
from studio.data.formats.sheets import Sheets, unescaped
from studio.errors import DataError

_HEADER = ("index", "sentence")
_DIGITS = 6  # a million clips


class SpeechToTextFinetune(Base):
    """Its recorder writes `rec_0.wav`, `rec_1.wav`, …"""

    has_cells = True
    name, title = "speech-to-text-finetune", "Mozilla speech-to-text-finetune"
    holds = "Keeps the label alone."

    def recognise(self, path: Path) -> float:
        """`text.csv` with the header index,sentence."""
        header = next(iter(lists.sample(self._sheet(path), 1)), "") if self._sheet(path).is_file() else ""
        return 0.96 if header.strip() == ",".join(_HEADER) else 0.0

    def _sheet(self, path: Path) -> Path:
        return path / "text.csv" if path.is_dir() else path

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """One row a line, with the recording of its index."""
        sheet = self._sheet(path)
        files = reading.files(sheet)
        for number, (name, cells) in enumerate(lists.table(sheet, ",")):
            if isinstance(cells, Refused):
                yield cells
            elif number == 0 and not cells[0].strip().isdecimal():
                continue  # the header
            elif len(cells) != 2 or not cells[0].strip().isdecimal():
                yield Refused(
                    name, "It is not index,sentence.", "Write the number of the recording, then what is said."
                )
            else:
                yield _row(name, cells[0].strip(), unescaped(cells[1]), files)

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """One line and one WAV file a clip."""
        with Sheets(target.folder) as sheets:
            for number, clip in enumerate(clips):
                place(clip, target.folder, f"rec_{number:0{_DIGITS}d}", wav=True)
                cells = [str(number), clip.utterance.text]
                sheets.cells("text.csv", cells, _HEADER, is_escaped=target.escapes(self))


def _row(name: str, index: str, text: str, files: Files) -> ImportRow | Refused:
    written = [f"rec_{index}", *(f"rec_{index.zfill(width)}" for width in range(len(index) + 1, _DIGITS + 1))]
    try:
        audio = files.find(*written, suffixes=(".wav", ".mp3"))
    except DataError:
        return Refused(name, f"The recording rec_{index}.wav is missing.", "Put it next to text.csv.")
    return ImportRow(f"{name} ({audio.name})", audio, text)
