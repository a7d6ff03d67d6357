"""Between files of text or pairs and `studio.typing`, for the verb `typos`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from studio.data.manifest import Dataset
from studio.data.prompts import phrases
from studio.errors import ConfigError, DataError
from studio.text import counted, lines_of
from studio.typing.keyboards import keyboard_named
from studio.typing.kinds import MEANINGS
from studio.typing.pieces import LONGEST, pieces
from studio.typing.profile import Profile
from studio.typing.typos import TypedText, pairs
from studio.workspace import Workspace, disk_errors

PROMPTS = "prompts"  # the sentences that come with the studio


def pair_lines(
    sources: Sequence[str],
    workspace: Workspace,
    *,
    seed: int,
    keyboard: str,
    profile: Path | None,
    copies: int,
    identity: float,
) -> Iterator[str]:
    """Lines of JSON: input, output and the kinds of typo. Raises ConfigError and DataError before the first."""
    keys, habits = keyboard_named(keyboard), Profile.read(profile) if profile else Profile.usual()
    texts = list(dict.fromkeys(chain.from_iterable(_sentences(source, workspace) for source in sources)))
    if not texts:
        raise DataError(f"There is no sentence in {', '.join(sources)}.", "Give text files with a sentence a line.")
    return (
        _line(pair) for copy in range(copies) for pair in pairs(texts, habits, keys, seed + copy * 1_000_003, identity)
    )


def _line(pair: TypedText) -> str:
    kinds = [typo.kind for typo in pair.typos]
    return json.dumps({"input": pair.typed, "output": pair.wanted, "typos": kinds}, ensure_ascii=False) + "\n"


def _sentences(source: str, workspace: Workspace) -> Iterator[str]:
    if source == PROMPTS:
        prose: Iterable[str] = [prompt.label for prompt in phrases()]
    elif Path(source).is_file():
        prose = lines_of(_text(Path(source)))
    else:
        prose = [example.text for example in Dataset.open(workspace.dataset(source)).examples()]
    for line in prose:
        for piece, _ in pieces(" ".join(line.split())):
            if piece and len(piece) <= LONGEST:
                yield piece


def _text(path: Path) -> str:
    from studio.inference.mend import read_text

    return read_text(path)


def profile_of(sources: Sequence[str], workspace: Workspace) -> Profile:
    """The profile of whoever typed the pairs in `sources`: JSONL files, or datasets of pairs."""
    found = list(chain.from_iterable(_typed_pairs(source, workspace) for source in sources))
    if not found:
        raise DataError(f"There is no pair in {', '.join(sources)}.", "A pair is a line with “input” and “output”.")
    return Profile.fitted(found)


def _typed_pairs(source: str, workspace: Workspace) -> Iterator[tuple[str, str]]:
    if not Path(source).is_file():
        yield from ((pair.typed, pair.text) for pair in Dataset.open(workspace.dataset(source)).pairs())
        return
    for number, line in enumerate(lines_of(_text(Path(source))), 1):
        if line.strip():
            yield _pair(line, f"{source}, line {number}")


def _pair(line: str, where: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        typed, wanted = row["input"], row["output"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{where}: not a pair.", "Each line is JSON with “input” and “output”.") from error
    if not isinstance(typed, str) or not isinstance(wanted, str):
        raise DataError(f"{where}: “input” and “output” are not both text.", "Write both as strings.")
    return typed, wanted


def profile_as_text(found: Profile) -> str:
    """The kinds by how often they happen, and the commonest changes."""
    rates = sorted(found.rates.items(), key=lambda item: -item[1])
    lines = [f"{rate:5.2f} in 100 characters: {MEANINGS[kind]}" for kind, rate in rates]
    lines += [
        f"{change.replace(' ', '␣')}: {counted(count, 'time')} ({kind})" for kind, change, count in found.most_common()
    ]
    return "\n".join(lines)


def write_lines(output: Path, lines: Iterator[str]) -> int:
    """Write `lines` into `output`, or print them; how many there were. Raises DiskError and ConfigError."""
    if str(output) == "-":
        return sum(bool(sys.stdout.write(line)) for line in lines)
    if output.is_dir():
        raise ConfigError(f"{output} is a folder.", "Give --output a file.")
    with disk_errors(output, "write"), output.open("w", encoding="utf-8", newline="\n") as stream:
        return sum(bool(stream.write(line)) for line in lines)
