"""How an export is used, as the page shows it: a card a program, read from the Markdown that the model card has too.

A target whose `usage` has no headings of this kind is one card, under the target's own title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from studio.errors import StudioError
from studio.export.gate import ExportReport
from studio.export.targets import target_named

_HEADING = re.compile(r"^## Use it in (.+)$", re.MULTILINE)
_CODE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Passage(BaseModel):
    """A paragraph, or lines to be copied."""

    model_config = ConfigDict(frozen=True)

    text: str
    is_code: bool = False


class Use(BaseModel):
    """One program that loads the export: where the files go, and the lines that load them."""

    model_config = ConfigDict(frozen=True)

    program: str
    passages: list[Passage]


def uses_of(report: ExportReport) -> list[Use]:
    """How the export of `report` is used where it is now; empty where its packages or its files are gone."""
    target = target_named(report.target)
    try:
        return uses(target.exporter().usage(report.folder, report.folder), target.title)
    except StudioError:
        return []


def uses(usage: str, title: str) -> list[Use]:
    """The cards in the Markdown `usage`: one a heading “Use it in …”, or a single one called `title`."""
    _, *parts = _HEADING.split(usage)
    named = zip(parts[::2], parts[1::2], strict=True) if parts else [(title, usage)]
    return [Use(program=program, passages=list(_passages(text))) for program, text in named]


def _passages(text: str) -> Iterator[Passage]:
    for place, part in enumerate(_CODE.split(text)):
        if place % 2:
            yield Passage(text=part, is_code=True)
        else:
            yield from (Passage(text=" ".join(said.split())) for said in part.split("\n\n") if said.strip())
