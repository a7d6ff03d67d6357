"""Drawings for reports, as SVG: a scatter of clips, curves over steps, errors over clips. Colours: `page.css`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.evaluation.verdict import Outcome
from studio.reports.markup import Html, tag

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 12, 38
DASHES = ("", "7 4", "2 3", "9 3 2 3", "1 5", "12 4")  # a curve is known by its dashes where colours are not seen
MOST_DOTS = 2000


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: its name, and (step, value) in order."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A rate at a number of training clips, and its interval."""

    clips: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Axes:
    """From values to pixels."""

    right: float
    top: float

    def x(self, value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * value / self.right, 1)

    def y(self, value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / self.top), 1)


def scatter(clips: Sequence[tuple[float, float, Outcome]], described: str) -> Html:
    """Accuracy before (across) against after (up), each 0..1, and what became of each clip."""
    axes = _Axes(1.0, 1.0)
    dots = [_dot(axes, *clip) for clip in clips[:MOST_DOTS]]
    diagonal = tag("line", class_="diagonal", x1=axes.x(0), y1=axes.y(0), x2=axes.x(1), y2=axes.y(1))
    grid = _grid(axes, [0, 0.25, 0.5, 0.75, 1], lambda value: f"{100 * value:.0f} %")
    below = [_text(axes.x(value), HEIGHT - 20, f"{100 * value:.0f} %") for value in (0, 0.5, 1)]
    named = _text((LEFT + WIDTH) / 2, HEIGHT - 4, "accuracy before; up: after")
    return _drawing(described, *grid, *below, named, diagonal, *dots)


def curves(lines: Sequence[Line], described: str, write: Callable[[float], str]) -> Html:
    """`lines` over the same steps, laid over each other; each has a colour and dashes of its own."""
    points = [point for line in lines for point in line.points]
    last, top = max((step for step, _ in points), default=1) or 1, max((value for _, value in points), default=1) or 1
    marks = ticks(top)
    axes = _Axes(last, marks[-1])
    below = [_text(axes.x(step), HEIGHT - 20, f"{step:g}") for step in ticks(last) if step <= last]
    drawn = [_curve(axes, line, place) for place, line in enumerate(lines) if line.points]
    named = _text((LEFT + WIDTH) / 2, HEIGHT - 4, "step")
    return _drawing(described, *_grid(axes, marks, write), *below, named, *drawn)


def growth(marks: Sequence[Mark], ahead: Mark | None, described: str) -> Html:
    """Error rates over the number of training clips, with their intervals; what lies `ahead` is hollow and dashed."""
    shown = [*marks, ahead] if ahead else list(marks)
    up = ticks(max(mark.high for mark in shown) or 1)
    axes = _Axes(max(mark.clips for mark in shown) * 1.08, up[-1])
    below = [_text(axes.x(mark.clips), HEIGHT - 20, f"{mark.clips}") for mark in shown]
    named = _text((LEFT + WIDTH) / 2, HEIGHT - 4, "training clips")
    path = " ".join(f"{axes.x(mark.clips)},{axes.y(mark.rate)}" for mark in marks)
    drawn = [tag("polyline", class_="curve c0", points=path), *(_whisker(axes, mark) for mark in marks)]
    if ahead:
        ends = [f"{axes.x(mark.clips)},{axes.y(mark.rate)}" for mark in (marks[-1], ahead)]
        drawn += [tag("polyline", class_="curve c0", points=" ".join(ends), stroke_dasharray="3 5")]
        drawn += [_whisker(axes, ahead, is_hollow=True)]
    return _drawing(described, *_grid(axes, up, lambda value: f"{100 * value:g} %"), *below, named, *drawn)


def _whisker(axes: _Axes, mark: Mark, *, is_hollow: bool = False) -> Html:
    x = axes.x(mark.clips)
    line = tag("line", class_="curve c0", x1=x, x2=x, y1=axes.y(mark.low), y2=axes.y(mark.high), opacity="0.5")
    name = "ring c0" if is_hollow else "dot c0"
    return tag("g", line, tag("circle", class_=name, cx=x, cy=axes.y(mark.rate), r=5))


def key(lines: Sequence[Line]) -> Html:
    """What each curve is."""
    items = []
    for place, line in enumerate(lines):
        stroke = tag("line", class_=f"curve c{place % 6}", x1=0, y1=5, x2=28, y2=5, stroke_dasharray=_dashes(place))
        items.append(tag("li", tag("svg", stroke, viewBox="0 0 28 10", aria_hidden="true"), line.name))
    return tag("ul", *items, class_="key")


def ticks(top: float, count: int = 4) -> list[float]:
    """From 0 to `top` or just above it, in steps of 1, 2 or 5 times a power of ten."""
    rough = top / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [round(place * step, 10) for place in range(math.ceil(top / step - 1e-9) + 1)]


def _dot(axes: _Axes, before: float, after: float, outcome: Outcome) -> Html:
    """Up, down and unchanged differ in shape as well as in colour."""
    x, y = axes.x(before), axes.y(after)
    if outcome == "better":
        return tag("path", class_="better", d=f"M{x - 5} {y + 4}L{x} {y - 5}L{x + 5} {y + 4}z", opacity="0.7")
    if outcome == "worse":
        return tag("path", class_="worse", d=f"M{x - 5} {y - 4}L{x} {y + 5}L{x + 5} {y - 4}z", opacity="0.7")
    return tag("circle", class_="same", cx=x, cy=y, r=4, opacity="0.7")


def _curve(axes: _Axes, line: Line, place: int) -> Html:
    colour = f"c{place % 6}"
    path = " ".join(f"{axes.x(step)},{axes.y(value)}" for step, value in line.points)
    dots = [
        tag("circle", class_=f"dot {colour}", cx=axes.x(step), cy=axes.y(value), r=2.5) for step, value in line.points
    ]
    return tag("g", tag("polyline", class_=f"curve {colour}", points=path, stroke_dasharray=_dashes(place)), *dots)


def _dashes(place: int) -> str | None:
    return DASHES[place % len(DASHES)] or None


def _grid(axes: _Axes, marks: Sequence[float], write: Callable[[float], str]) -> list[Html]:
    lines = [tag("line", class_="grid", x1=LEFT, y1=axes.y(mark), x2=WIDTH - RIGHT, y2=axes.y(mark)) for mark in marks]
    names = [_text(LEFT - 6, axes.y(mark) + 4, write(mark), "end") for mark in marks]
    return [*lines, *names]


def _text(x: float, y: float, words: str, anchor: str = "middle") -> Html:
    return tag("text", words, x=x, y=y, text_anchor=anchor)


def _drawing(described: str, *parts: Html) -> Html:
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=described)
