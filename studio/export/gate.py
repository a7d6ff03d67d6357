"""An export is done only when it has been compared with PyTorch: by stages, texts, word errors, size and speed.

The four checks run in that order on the run's held-out clips; the first that fails refuses the export, by its name.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from studio.data.manifest import Dataset, Example
from studio.errors import ModelError
from studio.evaluation.evaluate import Evaluation, scored
from studio.evaluation.figures import percent
from studio.evaluation.hypotheses import read_clip
from studio.evaluation.significance import Change
from studio.evaluation.verdict import change
from studio.export.reference import Reference
from studio.export.targets import Precision, Runtime
from studio.models import Clip, Hypothesis
from studio.progress import OnProgress
from studio.text import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.export.reference import Given

REPORT = "export.json"  # next to the exported files
STAGE_CLIPS = 4  # whose stages are compared
MOST_WORSE = 0.02  # of the error rate: what the interval must reach down to
_SILENT = 1e-10  # keeps the ratio of equal stages finite
_SHOWN = 3  # texts that a sentence quotes


class Stage(BaseModel):
    """How near one stage is to PyTorch, at the worst of the clips."""

    model_config = ConfigDict(frozen=True)

    name: str
    max_difference: float
    relative_difference: float  # of the largest value in PyTorch
    psnr: float  # dB: the largest value in PyTorch over the root mean square of the difference


class OtherText(BaseModel):
    """A clip for which the export writes something else."""

    model_config = ConfigDict(frozen=True)

    clip: str
    pytorch: str
    exported: str

    @property
    def sentence(self) -> str:
        """Both texts on one line."""
        return f"{self.clip}: “{self.pytorch}” → “{self.exported}”"


class RealTimeFactors(BaseModel):
    """Seconds of computing per second of sound, or for each typed text, one at a time, in turn on the same machine."""

    model_config = ConfigDict(frozen=True)

    exported: float
    pytorch: float  # the merged model in fp32
    threads: int
    sound: float  # seconds that both transcribed; 0 of typed texts


Shares = tuple[float | None, float | None]
"""By PyTorch and by the export, 0..1; None where there is no such text."""


class TypingParity(BaseModel):
    """How well typed texts are corrected, by PyTorch and by the export."""

    model_config = ConfigDict(frozen=True)

    exact: Shares  # of the texts: right to the letter
    touched: Shares  # of those without a typo: changed

    @property
    def sentence(self) -> str:
        """Both figures in a few words."""
        return f"right to the letter {_shown(self.exact)}, changed without a typo {_shown(self.touched)}"


class Parity(BaseModel):
    """The gate's figures."""

    model_config = ConfigDict(frozen=True)

    stages: list[Stage]
    clips: int  # whose texts were compared
    others: list[OtherText]
    wer: Change | None  # from PyTorch to the export; None where the labels have no word
    typing: TypingParity | None = None  # of typed texts
    normaliser: str
    size: int  # bytes
    model_size: int  # bytes, of the merged model in fp32
    speed: RealTimeFactors

    @property
    def noun(self) -> str:
        """What one of those that were compared is called."""
        return noun_of(self.typing)

    @property
    def each(self) -> str:
        """What the seconds of the speed are for."""
        return "a text" if self.typing else "per second of sound"

    def rows(self) -> dict[str, str]:
        """The four figures, each in a few words, by what they measure."""
        stages = [f"{stage.name} {stage.psnr:.0f} dB ({stage.relative_difference:.1e})" for stage in self.stages]
        clips, threads = counted(self.clips, self.noun), counted(self.speed.threads, "thread")
        factors = f"{self.speed.exported:.3f} s {self.each}, PyTorch {self.speed.pytorch:.3f} s ({threads})"
        return {
            "stages": ", ".join(stages),
            "texts": f"{len(self.others)} of {clips} written differently" if self.others else f"the same on {clips}",
            "errors": self.typing.sentence if self.typing else error_sentence(self.wer),
            "size": f"{self.size / 1e6:.1f} MB, PyTorch {self.model_size / 1e6:.1f} MB",
            "speed": factors,
        }

    def figures(self) -> str:
        """The figures as a few lines for a terminal."""
        lines = {name: [f"  {name}: {figure}"] for name, figure in self.rows().items()}
        lines["texts"] += [f"    {each.sentence}" for each in self.others]
        return "\n".join(line for found in lines.values() for line in found)

    def as_markdown(self) -> str:
        """The figures for a model card: a table, and each text that is written differently."""
        rows = "".join(f"| {name.capitalize()} | {figure} |\n" for name, figure in self.rows().items())
        texts = "".join(f"- {each.sentence}\n" for each in self.others)
        compared = counted(self.clips, f"held-out {self.noun}")
        return (
            f"On {compared}. PyTorch is the merged model in fp32; stages are compared by "
            f"PSNR and by the largest relative difference. `{REPORT}` has every figure.\n\n"
            f"| Check | Result |\n| --- | --- |\n{rows}" + (f"\nWritten differently:\n\n{texts}" if texts else "")
        )


class ExportReport(Parity):
    """`export.json`: what was exported, and the gate's figures."""

    folder: Path
    target: str
    precision: str
    adapter: Path
    base: str
    created_at: str  # ISO 8601, UTC
    versions: Mapping[str, str]  # of the packages that wrote and checked it

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The report in the exported `folder`; None where there is none."""
        try:
            found = cls.model_validate_json((folder / REPORT).read_bytes())
            return found.model_copy(update={"folder": folder})  # it may have been moved
        except (OSError, ValidationError):
            return None

    def as_text(self) -> str:
        """The export and its figures for a terminal."""
        return f"Exported to {self.target}, {self.precision}: {self.folder}\n{self.figures()}"

    def write(self, folder: Path) -> None:
        """Put it next to the files in `folder`."""
        (folder / REPORT).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _shown(shares: Shares) -> str:
    return " → ".join(map(percent, shares))


def error_sentence(found: Change | None) -> str:
    """What became of the error rate, in a few words, with the interval."""
    if found is None:
        return "no word to count errors in"
    rates = f"{100 * found.before:.1f} % → {100 * found.after:.1f} %"
    interval = f"{100 * found.low:+.1f} to {100 * found.high:+.1f} points"
    return f"{found.verdict}, {rates} of {found.unit}s ({interval})"


@dataclass(frozen=True, slots=True)
class Compared:
    """What the checks found."""

    stages: list[Stage]
    others: list[OtherText]
    wer: Change | None
    typing: TypingParity | None
    speed: RealTimeFactors


def compare(
    reference: Reference,
    runtime: Runtime,
    precision: Precision,
    dataset: Dataset,
    clips: Sequence[Example],
    normaliser: str,
    on_progress: OnProgress,
) -> Compared:
    """The four checks, but for the size. `clips` are usable and not empty; `on_progress` counts them.

    Raises ModelError, naming the check, where the export is not near enough.
    """
    rate = reference.recogniser.family.sample_rate
    sounds = (read_clip(dataset, clip, rate) for clip in clips)
    stages = _stages(reference, runtime, [_given(read_clip(dataset, clip, rate)) for clip in clips[:STAGE_CLIPS]])
    _check_stages(stages, precision.least_psnr)
    before, after = list[Hypothesis](), list[Hypothesis]()
    for sound in sounds:
        before.append(_timed(reference, sound, rate))
        after.append(_timed(runtime, sound, rate))
        on_progress(len(after), len(clips))
    others = [
        OtherText(clip=clip.id, pytorch=was.text, exported=now.text)
        for clip, was, now in zip(clips, before, after, strict=True)
        if was.text != now.text
    ]
    if precision.same_texts:
        _check_texts(others, len(clips), noun_of(reference.recogniser.family.kind == "typing"))
    was, now = (scored(clips, texts, model="", adapter=None, normaliser=normaliser) for texts in (before, after))
    found = change(was, now)  # by the judgement that every comparison of the studio makes
    _check_errors(found)
    return Compared(stages, others, found, _typing(was, now), _speed(before, after, reference.threads))


def noun_of(typing: object) -> str:
    """What a clip is called; or a text, where there is `typing`."""
    return "text" if typing else "clip"


def _given(clip: Clip) -> Given:
    return clip.typed or clip.samples


def _typing(was: Evaluation, now: Evaluation) -> TypingParity | None:
    """None where sound was transcribed."""
    if was.typing is None or now.typing is None:
        return None
    sides = (was.typing, now.typing)
    exact, touched = (tuple(getattr(side, name) for side in sides) for name in ("exact", "over_correction"))
    return TypingParity(exact=exact, touched=touched)


def _stages(reference: Reference, runtime: Runtime, given: Sequence[Given]) -> list[Stage]:
    """Each stage at the worst of the clips. Raises ModelError where its shape is another."""
    found: dict[str, list[Stage]] = {}
    for each in given:
        exported = runtime.stages(each)
        for name, expected in reference.stages(each).items():
            if exported[name].shape != expected.shape:
                shapes = f"its shape is {exported[name].shape}, in PyTorch {expected.shape}"
                raise _refused(name, shapes)
            found.setdefault(name, []).append(_stage(name, expected, exported[name]))
    return [
        Stage(
            name=name,
            max_difference=max(each.max_difference for each in measured),
            relative_difference=max(each.relative_difference for each in measured),
            psnr=min(each.psnr for each in measured),
        )
        for name, measured in found.items()
    ]


def _stage(name: str, expected: NDArray[np.float32], exported: NDArray[np.float32]) -> Stage:
    import numpy as np

    difference = np.abs(exported.astype(np.float64) - expected)
    largest = float(np.abs(expected).max())
    noise = float(np.sqrt(np.mean(difference**2)))
    psnr = 20 * np.log10((largest + _SILENT) / (noise + _SILENT)) if np.isfinite(noise) else -np.inf
    return Stage(
        name=name,
        max_difference=float(difference.max()),
        relative_difference=float(difference.max()) / (largest + _SILENT),
        psnr=float(psnr),
    )


def _check_stages(stages: Sequence[Stage], least: float) -> None:
    for stage in stages:
        if not stage.psnr >= least:
            raise _refused(stage.name, f"its PSNR against PyTorch is {stage.psnr:.1f} dB, {least:g} dB at least")


def _check_texts(others: Sequence[OtherText], clips: int, noun: str) -> None:
    if others:
        shown = "; ".join(f"{each.clip}: “{each.exported}” for “{each.pytorch}”" for each in others[:_SHOWN])
        raise _refused("texts", f"{len(others)} of {counted(clips, noun)} are written differently ({shown})")


def _check_errors(found: Change | None) -> None:
    if found is not None and found.low > MOST_WORSE:
        raise _refused("errors", f"it is {error_sentence(found)}; {100 * MOST_WORSE:g} points more are allowed")


def _refused(check: str, why: str) -> ModelError:
    return ModelError(
        f"The export was refused by the check “{check}”: {why}.", "Nothing was kept. Choose a higher precision."
    )


def _timed(model: Reference | Runtime, sound: Clip, rate: int) -> Hypothesis:
    start = time.perf_counter()
    text = model.transcribe(_given(sound))
    return Hypothesis(text=text, seconds=len(sound.samples) / rate, latency=time.perf_counter() - start)


def _speed(before: Sequence[Hypothesis], after: Sequence[Hypothesis], threads: int) -> RealTimeFactors:
    sound = sum(each.seconds for each in after)
    parts = sound or len(after)
    return RealTimeFactors(
        exported=sum(each.latency for each in after) / parts,
        pytorch=sum(each.latency for each in before) / parts,
        threads=threads,
        sound=sound,
    )
