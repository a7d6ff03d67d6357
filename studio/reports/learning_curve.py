"""The learning curve of a run: the same settings on a quarter, half and all of its clips, the same clips held out."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from studio.errors import JobError
from studio.evaluation.evaluate import Evaluation
from studio.evaluation.figures import RATES, percent, points
from studio.evaluation.learning_curve import FEW_CLIPS, SHARES, Forecast, forecast, rates
from studio.evaluation.verdict import rate, unit_of
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text import counted
from studio.text.metrics import Unit, errors


class CurvePoint(BaseModel):
    """A run on a share of the training clips."""

    model_config = ConfigDict(frozen=True)

    share: int  # percent
    clips: int
    seconds: float  # of audio
    wer: float
    low: float  # of the 95 % interval
    high: float


class LearningCurve(BaseModel):
    """As much of it as has been trained."""

    model_config = ConfigDict(frozen=True)

    run: str
    normaliser: str
    unit: Unit  # of what the rates of errors are: characters where the language has no spaces
    base_wer: float | None  # without any training clip
    points: list[CurvePoint]  # growing
    missing: list[int]  # shares that were not trained yet, percent
    forecast: Forecast | None  # None as long as one is missing, or where the clips have no words


def learning_curve(folder: RunFolder, normaliser: str) -> LearningCurve:
    """The curve of the finished run in `folder`, texts compared by `normaliser`. Raises JobError."""
    found = {share: read for share in SHARES if (read := _read(folder.point(share), normaliser))}
    if SHARES[-1] not in found:
        raise JobError(f"The run “{folder.name}” has not finished.", f"Resume it: studio resume {folder.name}")
    unit = unit_of(found[SHARES[-1]][1])
    shared = set.intersection(*({row.id for row in evaluation.rows} for _, evaluation in found.values()))
    counted = [
        [
            errors(row.reference, row.hypothesis, normaliser, unit)
            for row in sorted(evaluation.rows, key=lambda row: row.id)
            if row.id in shared
        ]
        for _, evaluation in found.values()
    ]
    wrong, words = [[errs for errs, _ in run] for run in counted], [said for _, said in counted[0]]
    before = Evaluation.read(folder.baseline)
    clips = [record.clips["train"] for record, _ in found.values()]
    measured = rates(wrong, words) if sum(words) else []
    is_whole = len(found) == len(SHARES) and bool(measured)
    return LearningCurve(
        run=folder.name,
        normaliser=normaliser,
        unit=unit,
        base_wer=rate(before.by(normaliser).score, unit) if before else None,
        points=[
            CurvePoint(share=share, clips=record.clips["train"], seconds=record.seconds["train"], **rate.model_dump())
            for (share, (record, _)), rate in zip(found.items(), measured, strict=False)
        ],
        missing=[share for share in SHARES if share not in found],
        forecast=forecast(wrong, words, clips) if is_whole else None,
    )


def _read(folder: RunFolder, normaliser: str) -> tuple[RunRecord, Evaluation] | None:
    """What a run came to; None where it is not whole."""
    evaluation = Evaluation.read(folder.tuned) if folder.done.is_file() else None
    return (RunRecord.read(folder), evaluation.by(normaliser)) if evaluation else None


def outlook(curve: LearningCurve) -> str:
    """The forecast in a sentence: what more clips would bring, or that it is not known yet."""
    found = curve.forecast
    if found is None:
        return ""
    interval = f"{points(found.low)} to {points(found.high)} points"
    reasons = {
        "few clips": f"fewer than {FEW_CLIPS} held-out clips are too few to tell",
        "nothing left": "no held-out word is wrong any more, so that a gain would not show",
        "no gain": f"the 95 % interval, {interval}, includes no gain at all",
        "too wide": f"the 95 % interval, {interval}, is wider than all that is still wrong",
    }
    if found.doubt:
        return f"What {counted(found.more, 'more clip')} would bring is not known yet: {reasons[found.doubt]}."
    return f"{counted(found.more, 'more clip')} ≈ {points(found.change)} points (95 % interval {interval})."


def as_text(curve: LearningCurve) -> str:
    """The curve for a terminal."""
    rows = [f"{curve.run}: held-out {RATES[curve.unit].lower()} by training clips (normaliser: {curve.normaliser})"]
    base = f"  {counted(0, 'clip'):>11}  {percent(curve.base_wer):>8}  the base model"
    rows += [base] if curve.base_wer is not None else []
    rows += [
        f"  {counted(point.clips, 'clip'):>11}  {percent(point.wer):>8}  {percent(point.low)} to {percent(point.high)}"
        for point in curve.points
    ]
    missing = f"Not trained yet: {', '.join(f'{share} %' for share in curve.missing)}." if curve.missing else ""
    return "\n".join([*rows, missing or outlook(curve)])


def described(curve: LearningCurve) -> str:
    """The points in words, for who does not see them."""
    return "; ".join(f"{counted(point.clips, 'clip')}: {percent(point.wer)}" for point in curve.points)
