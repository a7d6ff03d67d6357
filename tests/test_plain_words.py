"""What a person sees is written in plain words: see the end of `studio/docs/glossary.md`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "studio"
AVOIDED = re.compile(
    r"\b(stands?|stood|told|tells|beside|nobody|somebody|dear|hears|(?<!--use-)heard|misheard|(?<!--)mends?)\b", re.I
)
A_SENTENCE = re.compile(r"\w+ \w+ \w+")
SCRIPT_TEXT = re.compile(r'"([^"\n]*)"|`([^`\n]*)`')
PAGE_TEXT = re.compile(r'>([^<>]+)<|(?:title|placeholder|aria-label)="([^"]+)"')


def messages(path: Path) -> Iterator[str]:
    """The strings in a module that hold a sentence, without its docstrings; an f-string's parts are joined."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            silent |= {id(part) for part in ast.walk(node) if part is not node}
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            text = node.value
        else:
            continue
        if A_SENTENCE.search(text):
            yield text


def texts(path: Path, pattern: re.Pattern[str]) -> Iterator[str]:
    """What a script or a template of the page says; expressions within are left out."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.lstrip().startswith(("//", "/*", "*")):
            for found in pattern.findall(re.sub(r"\$\{[^{}]*\}", "…", line)):
                yield from (text for text in found if A_SENTENCE.search(text))


def test_no_message_uses_a_word_that_the_glossary_avoids() -> None:
    said = [(path, text) for path in PACKAGE.rglob("*.py") for text in messages(path)]
    said += [(path, text) for path in PACKAGE.rglob("*.js") for text in texts(path, SCRIPT_TEXT)]
    said += [(path, text) for path in PACKAGE.rglob("*.html") for text in texts(path, PAGE_TEXT)]
    assert len(said) > 1_000
    odd = [(path.name, text[:120]) for path, text in said if AVOIDED.search(text) and "starter/recipe" not in str(path)]
    assert not odd
