"""Where the clean English comes from: packages of Debian and Python with free licences, fetched and read as sentences.

`python -m studio.typing_starter.recipe.sources --work FOLDER` fetches and unpacks them; it needs apt-get, dpkg and pip.
"""

from __future__ import annotations

import argparse
import gzip
import html
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.errors import StudioError
from studio.text import lines_of


@dataclass(frozen=True, slots=True)
class Source:
    """One package of text."""

    package: str
    of: str  # "Debian" or "Python"
    title: str
    licence: str
    share: float  # of the sentences that are trained on
    read: Callable[[Path], Iterator[str]]  # runs of prose in its unpacked files


def _wordnet_examples(folder: Path) -> Iterator[str]:
    for gloss in _glosses(folder):
        for example in re.findall(r'"([^"]+)"', gloss):
            yield _as_sentence(example)


def _wordnet_glosses(folder: Path) -> Iterator[str]:
    for gloss in _glosses(folder):
        yield _as_sentence(re.sub(r"\([^)]*\)", "", gloss.split(";")[0]).strip())


def _glosses(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "usr/share/wordnet").glob("data.*")):
        for line in lines_of(path.read_text(encoding="utf-8", errors="replace")):
            if not line.startswith("  ") and " | " in line:
                yield line.split(" | ", 1)[1].strip()


def _as_sentence(phrase: str) -> str:
    """A phrase with a capital and a full stop, as a person would type it."""
    phrase = phrase.strip(" ;,")
    return phrase[:1].upper() + phrase[1:] + ("" if phrase[-1:] in ".?!" else ".")


def _fortunes(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "usr/share/games/fortunes").iterdir()):
        if not path.suffix and path.name not in ("ascii-art", "zippy"):
            for entry in path.read_text(encoding="utf-8", errors="replace").split("\n%\n"):
                yield entry.split("\t\t--")[0]


def _dictionary(name: str) -> Callable[[Path], Iterator[str]]:
    def read(folder: Path) -> Iterator[str]:
        text = gzip.decompress((folder / f"usr/share/dictd/{name}.dict.dz").read_bytes()).decode("utf-8", "replace")
        yield from re.sub(r"[{}]", "", text).split("\n\n")

    return read


def _marked_up(pattern: str, paragraph: str) -> Callable[[Path], Iterator[str]]:
    """Paragraphs of XML or HTML files, without their tags."""

    def read(folder: Path) -> Iterator[str]:
        for path in sorted(folder.glob(pattern)):
            text = re.sub(r"<comment>.*?</comment>", "", path.read_text(encoding="utf-8", errors="replace"), flags=re.S)
            for found in re.findall(rf"<{paragraph}\b[^>]*>(.*?)</{paragraph}>", text, re.S):
                yield html.unescape(re.sub(r"<[^>]+>", "", found))

    return read


def _chats(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("chatterbot_corpus/data/english/*.yml")):
        for line in lines_of(path.read_text(encoding="utf-8")):
            if found := re.match(r"\s*(?:- )+(.+)", line):
                yield _as_sentence(found[1].strip("\"' "))


SOURCES = (
    Source("wordnet-base", "Debian", "WordNet 3.0, examples", "WordNet licence (permissive)", 0.32, _wordnet_examples),
    Source("wordnet-base", "Debian", "WordNet 3.0, glosses", "WordNet licence (permissive)", 0.14, _wordnet_glosses),
    Source("fortunes", "Debian", "Fortune cookies", "BSD, public domain", 0.16, _fortunes),
    Source(
        "gnome-user-docs", "Debian", "GNOME's help", "CC BY-SA 3.0", 0.07,
        _marked_up("usr/share/help/C/gnome-help/*.page", "p"),
    ),
    Source(
        "libreoffice-help-en-us", "Debian", "LibreOffice's help", "MPL 2.0", 0.07,
        _marked_up("usr/share/libreoffice/help/en-US/text/**/*.html", "p"),
    ),
    Source(
        "debian-handbook", "Debian", "The Debian Administrator's Handbook", "GPL 2+ or CC BY-SA 3.0", 0.05,
        _marked_up("usr/share/doc/debian-handbook/html/en-US/*.html", "div"),
    ),
    Source("dict-foldoc", "Debian", "Free On-line Dictionary of Computing", "GFDL 1.1+", 0.03, _dictionary("foldoc")),
    Source("dict-jargon", "Debian", "The Jargon File", "public domain", 0.04, _dictionary("jargon")),
    Source("chatterbot-corpus", "Python", "ChatterBot's conversations", "BSD 3-clause", 0.04, _chats),
)  # fmt: skip
EVERYDAY_SHARE = 0.08  # sentences of the recipe's own small grammar, `everyday`
FREQUENCIES = ("symspellpy", "symspellpy/frequency_dictionary_en_82_765.txt", "Google Books' words ∩ SCOWL", "MIT")


def fetch(work: Path) -> None:
    """Fetch and unpack what is missing. Raises StudioError with what the package manager said."""
    packages = {(source.package, source.of) for source in SOURCES} | {(FREQUENCIES[0], "Python")}
    for package, of in sorted(packages):
        folder = work / package
        if not folder.is_dir():
            (work / "archives").mkdir(parents=True, exist_ok=True)
            (_from_debian if of == "Debian" else _from_python)(package, work / "archives", folder)


def _from_debian(package: str, archives: Path, folder: Path) -> None:
    _run(["apt-get", "download", package], archives)
    archive = next(archives.glob(f"{package}_*.deb")).resolve()
    _run(["dpkg-deb", "-x", str(archive), str(folder.resolve())], archives)


def _from_python(package: str, archives: Path, folder: Path) -> None:
    _run([sys.executable, "-m", "pip", "download", "--no-deps", "-q", package], archives)
    with zipfile.ZipFile(next(archives.glob(f"{package.replace('-', '_')}-*.whl"))) as wheel:
        wheel.extractall(folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StudioError(
            f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}", "Check the network, run it again."
        )


def main() -> None:
    """Read the command line, fetch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for the packages, 150 MB")
    fetch(parser.parse_args().work)


if __name__ == "__main__":
    main()
