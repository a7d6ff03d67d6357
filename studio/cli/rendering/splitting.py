"""`studio split`: the plan as a table, then its carrying out."""

from __future__ import annotations

from studio.data.manifest import Dataset
from studio.data.splits.plans import SplitPlan, SplitRequest, apply, plan
from studio.errors import ConfigError, DataError
from studio.text import counted

LISTED = 10  # moves that a terminal shows


def request(by: str, hold_out: list[str], shares: str) -> SplitRequest:
    """What the flags ask for. Raises ConfigError."""
    try:
        parts = tuple(int(part) for part in shares.split("/"))
        return SplitRequest.model_validate({"by": by, "hold_out": hold_out, "shares": parts})
    except ValueError as error:
        what = f"The split cannot be by “{by}” with the shares {shares}."
        raise ConfigError(what, "For example: --by sentence --shares 70/10/20, which add up to 100.") from error


def split(dataset: Dataset, wanted: SplitRequest, dry_run: bool) -> str:
    """Plan it and, unless it is a `dry_run`, do it; what is printed. Raises DataError or DiskError."""
    found = plan(dataset, wanted) if dry_run else apply(dataset, wanted)
    end = "Nothing was changed (--dry-run)." if dry_run else "Done. Undo it with --undo." if found.moves else ""
    return "\n".join(filter(None, [as_text(found), end]))


def undo(dataset: Dataset) -> str:
    """Undo the latest split; what is printed. Raises DataError where there is none, ConflictError or DiskError."""
    latest = next((act for act in dataset.history(1000) if act.what.startswith("Split by ") and not act.undone), None)
    if latest is None:
        raise DataError("There is no split to undo.")
    dataset.undo(latest.id)
    return f"Undone: {latest.what}."


def as_text(found: SplitPlan) -> str:
    """A plan as a table, its first moves, and its warnings."""
    rows = [f"{'':12}{'before':>26}{'after':>26}"]
    for side, before in found.before.items():
        after = found.after[side]
        cells = (f"{counted(one.clips, 'clip')} {one.seconds / 60:7.1f} min" for one in (before, after))
        rows.append(f"{side:12}" + "".join(f"{cell:>26}" for cell in cells))
    listed = [f"  {move.before} -> {move.after}: {move.text[:60]}" for move in found.moves[:LISTED]]
    moving = counted(len(found.moves), "clip moves", "clips move")
    more = len(found.moves) - len(listed)
    test = "stays as it is" if found.hash_before == found.hash_after else "changes: earlier figures cannot be compared"
    return "\n".join(
        [
            *rows,
            f"{moving}. The test set {test} ({found.hash_before} -> {found.hash_after}).",
            *listed,
            *([f"  and {more:,} more"] if more > 0 else []),
            *(f"Note: {warning}" for warning in found.warnings),
        ]
    )
