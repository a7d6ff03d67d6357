"""An adapter folded into its base model: one folder that plain transformers loads, checked against the pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from studio.errors import ConfigError, ModelError, StudioError
from studio.evaluation.evaluate import open_dataset, read_manifest
from studio.evaluation.hypotheses import read_clip
from studio.export.snippets import merged_snippet
from studio.models import Clip, Family, Recogniser, load, typists
from studio.models.active_adapter import BASE
from studio.models.adapters import base_note, find_adapter
from studio.models.folders import written_whole
from studio.models.portable import needs
from studio.models.registry import family_of
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text import counted
from studio.workspace import Workspace

if TYPE_CHECKING:
    import torch

MOST_DIFFERENCE = 1e-3  # of any logit: sums in another order move them by about 1e-5
NOTE = "merge.json"  # the report, next to the weights
PROBES = 4  # clips that both models must read alike


class MergeReport(BaseModel):
    """A merged folder, and how near it is to the model and adapter that it was made of."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    base: str
    adapter: Path
    size: int  # bytes
    clips: int  # compared
    noun: str = "clip"  # what one of them is called
    max_difference: float  # of any logit

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What was reported of the merged model in `folder`; None where there is none that was made here."""
        try:
            return cls.model_validate_json((folder / NOTE).read_bytes()).model_copy(update={"folder": folder})
        except (OSError, ValidationError):
            return None

    def as_text(self) -> str:
        """The report as a few lines for a terminal."""
        clips = counted(self.clips, self.noun)
        return (
            f"Merged {self.adapter} into {self.base}: {self.folder} ({self.size / 1e6:.0f} MB).\n"
            f"Logits on {clips} differ from model + adapter by {self.max_difference:.1e} at most.\n"
            "It loads with plain transformers, and here with --model."
        )


def merge_run(
    workspace: Workspace,
    run: str,
    out: Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> MergeReport:
    """Merge the adapter of the run, or in the LoRA folder, called `run`; compared on the run's held-out clips.

    `out` is `merged` next to the adapter by default. Raises ModelError, ConfigError, DiskError.
    """
    adapter = find_adapter(run, workspace)
    out = out or RunFolder(adapter.parent).merged
    return merge(adapter, out, lambda family: _held_out(workspace, adapter, family), on_stage)


def merge(
    adapter: Path,
    out: Path,
    probes: Callable[[Family], Sequence[Clip]] = lambda family: (),
    on_stage: Callable[[str], None] = lambda stage: None,
) -> MergeReport:
    """Write into `out` the base model of `adapter` with the adapter in its weights, in fp32.

    It takes its place only if it transcribes `probes` (or a made-up sound) like model + adapter. `on_stage` gets
    "loading", "merging", "checking". Raises ModelError where base or adapter are unusable or the logits differ,
    ConfigError where `out` holds something else, DiskError.
    """
    _check_out(out)
    base = base_note(adapter).get("source")
    if not base:
        raise ModelError(f"{adapter} does not say which model it was made on.", "Only adapters of a run can be merged.")
    on_stage("loading")
    recogniser = load(base, "cpu", adapter=adapter)
    clips = [_with_text(recogniser, clip) for clip in probes(recogniser.family) or [_sound(recogniser.family)]]
    expected = [_logits(recogniser, clip) for clip in clips]
    on_stage("merging")
    with written_whole(out) as folder:
        typist = typists.of(recogniser.model)
        model = recogniser.model.merge_and_unload(safe_merge=True)
        typists.meet(model, typist, BASE)
        recogniser.family.save(model, recogniser.processor, folder)
        (folder / "README.md").write_text(_card(base, adapter, out, folder), encoding="utf-8")
        on_stage("checking")
        difference = _difference(load(folder, "cpu"), clips, expected)
        size = sum(path.stat().st_size for path in folder.iterdir())
        report = MergeReport(
            folder=out, base=base, adapter=adapter, size=size, clips=len(clips), max_difference=difference,
            noun="text" if recogniser.family.kind == "typing" else "clip",
        )  # fmt: skip
        (folder / NOTE).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return report


def _difference(merged: Recogniser, clips: Sequence[Clip], expected: Sequence[torch.Tensor]) -> float:
    """The largest difference of any logit. Raises ModelError where it is too large."""
    pairs = zip(clips, expected, strict=True)
    difference = max((_logits(merged, clip) - logits).abs().max().item() for clip, logits in pairs)
    if not difference <= MOST_DIFFERENCE:  # NaN is not
        raise ModelError(
            f"The merged model is not the same: its logits differ by {difference:.1e}, {MOST_DIFFERENCE:.0e} at most.",
            "Nothing was written. Use the model with its adapter.",
        )
    return difference


def _logits(recogniser: Recogniser, clip: Clip) -> torch.Tensor:
    return recogniser.family.logits(recogniser.model, recogniser.processor, clip)


def _with_text(recogniser: Recogniser, clip: Clip) -> Clip:
    """`clip` with what the adapted model writes, so that the logits are those it really meets."""
    text = recogniser.family.transcribe(recogniser.model, recogniser.processor, clip).text
    return replace(clip, text=text)


def _held_out(workspace: Workspace, adapter: Path, family: Family) -> list[Clip]:
    """A few clips of the run's test split, as far as they can still be read."""
    run = RunFolder(adapter.parent)
    try:
        dataset = open_dataset(workspace, RunRecord.read(run).dataset)
        chosen = [clip for clip in read_manifest(run.manifest) if clip.split == "test"][:PROBES]
        return [read_clip(dataset, clip, family.sample_rate) for clip in chosen]
    except StudioError:
        return []


def _sound(family: Family) -> Clip:
    """Two seconds of a rising tone, or a typed sentence: something to read where there is no clip."""
    import numpy as np

    if family.kind == "typing":
        return Clip(np.zeros(0, np.float32), typed=_TYPED)
    seconds = np.arange(2 * family.sample_rate) / family.sample_rate
    return Clip((0.3 * np.sin(2 * np.pi * (200 + 400 * seconds) * seconds)).astype(np.float32))


_TYPED = "teh order nubmer is 1296803"


def _check_out(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / "config.json").is_file()):
        raise ConfigError(f"{out} holds something that is not a model.", "Choose another folder with --out.")


def _card(base: str, adapter: Path, out: Path, folder: Path) -> str:
    """README.md of the merged model, whose files are in `folder` until they are moved to `out`."""
    family = family_of(folder).name
    return (
        f"# {family}, fine-tuned\n\n{base} with the adapter {adapter.name} of "
        f"{adapter.parent.name} in its weights. Needs {needs(family)}.\n\n"
        f"```python\n{merged_snippet(out, folder)}```\n"
    )
