"""A person's own words, which no recogniser knows: names, products, jargon. `terms.txt` next to the manifest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from studio.data.utterance import checked_label
from studio.errors import DataError
from studio.text import lines_of, plain
from studio.workspace import disk_errors, write_atomically

if TYPE_CHECKING:
    from studio.data.manifest import Dataset

MOST = 500  # terms; three recordings of each are more than a day of reading
LONGEST = 80  # characters


def parse_terms(text: str) -> list[str]:
    """The terms in `text`, one a line or separated by commas; the same term in another case counts once.

    Raises DataError for a term too long to be one, and for too many.
    """
    terms: dict[str, str] = {}
    parts = (" ".join(part.split()) for part in lines_of(text.replace(",", "\n")))
    for part in dict.fromkeys(parts):  # one that comes a million times costs no more than once
        if len(part) > LONGEST:
            what = f"“{part[:40]}…” is too long to be a name or a term."
            raise DataError(what, "Sentences belong in your own text.")
        if part and (key := plain(part)):
            terms.setdefault(key, checked_label(part))
        if len(terms) > MOST:
            raise DataError(f"There are more than {MOST} terms.", f"Keep the {MOST} that matter most.")
    return list(terms.values())


def load_terms(dataset: Dataset) -> list[str]:
    """The terms of `dataset`; none where it has no list. Raises DataError or DiskError."""
    path = dataset.folder / "terms.txt"
    with disk_errors(path, "read"):
        try:
            return parse_terms(path.read_bytes().decode("utf-8-sig"))
        except FileNotFoundError:
            return []
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text.", "Save it as UTF-8, one term a line.") from error


def save_terms(dataset: Dataset, terms: Iterable[str]) -> None:
    """Make `terms` the list of `dataset`. Raises DiskError."""
    write_atomically(dataset.folder / "terms.txt", "".join(f"{term}\n" for term in terms))
