"""Figures as a person reads them: rates, changes, counts."""

from __future__ import annotations

from studio.metrics import Score


def percent(rate: float | None) -> str:
    """A rate as a person reads it; a dash where there is none."""
    return "–" if rate is None else f"{100 * rate:.1f} %"


def points(change: float) -> str:
    """A change of a rate in points, with its sign: `−12.5`."""
    return f"{100 * change:+.1f}".replace("-", "−")


def count(number: int, noun: str) -> str:
    """`1 clip`, `1,200 clips`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def errors(score: Score) -> str:
    """`12, 3, 0`: words replaced, missing, added."""
    return f"{score.substitutions}, {score.deletions}, {score.insertions}"


def factor(value: float | None) -> str:
    """A real-time factor: seconds to read one second."""
    return "–" if value is None else f"{value:.3f}"
