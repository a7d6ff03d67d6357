"""Mutated data sets of every format: an import looks at each, and ends with rows and reasons, within ten seconds.

`make thorough ARGS="-k mutated"` runs MUTANTS of them; STUDIO_MUTANTS says how many.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from speech_data import dataset_in

from studio.data import formats
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.exporting import export_data
from studio.data.import_export.previewing import preview
from studio.errors import StudioError

MUTANTS = int(os.environ.get("STUDIO_MUTANTS", "2600"))
FEW = 65  # five of each format: for every run of the tests
SECONDS = 10.0
PIECES = (b"", b'"', b"\0", b"\n", b"\r", b"\xff\xfe", b"\xe2\x80\xa8", b"..", b"/", b"|", b"[" * 2000, b"{}", b"null",
          b"-1", b"1e999", b"NaN", b"\xed\xa0\x80", b"../../../etc/passwd", b"PK\x01\x02", b"x" * 70_000)  # fmt: skip
NAMES = (b"caf\xe9.wav", b"a\nb.wav", b" .wav", b"train", b"test", b"x" * 200 + b".flac", "é.wav".encode(), b"-.csv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A data set in every format."""
    folder = tmp_path_factory.mktemp("whole")
    dataset = dataset_in(folder / "voice")
    return {name: Path(export_data(dataset, name, folder / name).path) for name in formats.FORMATS}


def damaged(content: bytes, chance: random.Random) -> bytes:
    """`content` with pieces put in, cut out, doubled, or its end cut off."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randint(0, len(found)), chance.choice((0, 1, 4, 40))
        found[at : at + length] = chance.choice((*PIECES, chance.randbytes(4), bytes(found[at : at + 300]) * 2))
    return bytes(found[: chance.randint(0, len(found))] if chance.random() < 0.2 else found)


def mutant(original: Path, folder: Path, chance: random.Random) -> Path:
    """A copy of a data set: files damaged, renamed, removed, made folders or links, or the whole packed and damaged."""
    if original.is_file():
        path = folder / original.name
        path.write_bytes(damaged(original.read_bytes(), chance))
        return path
    path = folder / "data"
    shutil.copytree(original, path)
    for _ in range(chance.randint(1, 3)):
        files = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
        lists = [file for file in files if file.suffix not in (".wav", ".flac")] or files
        if files:
            _change(chance.choice(lists if chance.random() < 0.7 else files), chance)
    if chance.random() < 0.25:
        packed = folder / "data.zip"
        with zipfile.ZipFile(packed, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
            for file in path.rglob("*"):
                name = os.fsencode(file.relative_to(path)).decode("utf-8", "replace")
                if file.is_file():
                    archive.writestr(name, file.read_bytes())
        packed.write_bytes(damaged(packed.read_bytes(), chance) if chance.random() < 0.7 else packed.read_bytes())
        return packed
    return path


def _change(file: Path, chance: random.Random) -> None:
    way = chance.random()
    if way < 0.7:
        file.write_bytes(damaged(file.read_bytes(), chance))
    elif way < 0.8 and sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(file.parent) + b"/" + chance.choice(NAMES))).write_bytes(file.read_bytes())
    else:
        file.unlink()
        if way < 0.9:
            file.mkdir()
        elif way < 0.95:
            file.symlink_to(chance.choice((file, file.parent, Path("/etc/passwd"), Path("/dev/zero"))))


def looked_at(count: int, whole: dict[str, Path], folder: Path, seed: int) -> Iterator[tuple[int, str, float]]:
    """Number, format and seconds of each mutant, once an import has looked at it. Anything but a sentence is raised."""
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        name = sorted(formats.FORMATS)[number % len(formats.FORMATS)]
        place = folder / str(number)
        place.mkdir()
        path = mutant(whole[name], place, chance)
        began = time.monotonic()
        for format in ("auto", name):
            with suppress(StudioError):
                preview(ImportPlan([path], format)).model_dump_json()
        yield number, name, time.monotonic() - began
        shutil.rmtree(place)


@pytest.mark.parametrize("count", [FEW, pytest.param(MUTANTS, marks=[pytest.mark.thorough, pytest.mark.timeout(0)])])
def test_no_mutated_data_set_is_a_traceback_or_a_hang(count: int, whole: dict[str, Path], tmp_path: Path) -> None:
    seed = int(os.environ.get("STUDIO_SEED", "1"))
    slow = [each for each in looked_at(count, whole, tmp_path, seed) if each[2] > SECONDS]
    assert slow == []
