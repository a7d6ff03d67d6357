"""Self-contained pages: HTML built of escaped parts, one style sheet within, no request to anywhere."""

from __future__ import annotations

import html
from functools import cache
from importlib import resources


class Html(str):
    """Text that is markup already; any other text is escaped where it is put into a page."""

    __slots__ = ()


def tag(name: str, *children: str | None, **attributes: str | float | None) -> Html:
    """`tag("td", "a < b", class_="figure")`: an element of children, escaped where they are plain text.

    An attribute that is None is left out; `class_` and `stroke_width` are written `class` and `stroke-width`.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(f"{value}")}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str | None) -> Html:
    """The children one after the other, escaped where they are plain text."""
    return Html("".join(child if isinstance(child, Html) else _escaped(child) for child in children if child))


def table(head: list[str], rows: list[list[str]], caption: str, *, figures: int = 0) -> Html:
    """A table that scrolls by itself; its last `figures` columns are numbers."""
    wide = len(head) - figures

    def line(cells: list[str], name: str) -> Html:
        kinds = ("figure" if place >= wide else None for place in range(len(cells)))
        scope = "col" if name == "th" else None
        return tag("tr", *(tag(name, cell, class_=kind, scope=scope) for cell, kind in zip(cells, kinds, strict=True)))

    parts = [
        tag("caption", caption),
        tag("thead", line(head, "th")),
        tag("tbody", *(line(cells, "td") for cells in rows)),
    ]
    return tag("div", tag("table", *parts), class_="scroll", tabindex="0", role="region", aria_label=caption)


def page(title: str, *body: str) -> str:
    """A whole page. Its policy forbids it to fetch anything, should a label ever find a way to ask for it."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    head = [
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        Html(f"<style>{_styles()}</style>"),
    ]
    return f'<!DOCTYPE html>\n<html lang="en">{tag("head", *head)}{tag("body", tag("main", *body))}</html>\n'


@cache
def _styles() -> str:
    return resources.files("studio.reports").joinpath("page.css").read_text("utf-8")


def _escaped(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return html.escape(printable)
