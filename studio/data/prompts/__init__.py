"""What a person reads aloud: built-in scripts, one's own list, and what is needed next."""

from studio.data.prompts.needs import DatasetProgress, Misheard, needed, progress
from studio.data.prompts.script import (
    ENGLISH,
    LANGUAGES,
    Prompt,
    language_of,
    load,
    load_own,
    numbers,
    own,
    phrases,
    read_aloud,
    save,
)
from studio.data.prompts.terms import load_terms, parse_terms, save_terms

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "DatasetProgress",
    "Misheard",
    "Prompt",
    "language_of",
    "load",
    "load_own",
    "load_terms",
    "needed",
    "numbers",
    "own",
    "parse_terms",
    "phrases",
    "progress",
    "read_aloud",
    "save",
    "save_terms",
]
