"""An adapter alone in the layout of Moonshine's makers: on the base model it computes what peft's does."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from exports import RUN, SOUNDS, run_on

from studio.errors import ModelError
from studio.export import makers_adapter
from studio.export.exporting import export_run
from studio.export.makers_adapter import FILE, SETTINGS
from studio.models import Clip, load
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

TARGET = "moonshine-adapter"
RANK, SCALE = 4, 2.0  # of the runs that pretend to be trained


def run_with(root: Path, targets: str, family: str = "moonshine", **settings: Any) -> Workspace:
    """A run whose adapter is on the layers `targets`, with `settings` on top of its own."""
    workspace = run_on(getattr(tiny_models, family)(root / "base"), root, targets, SOUNDS[:2])
    path = RunFolder(workspace.run(RUN)).adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return workspace


@pytest.mark.parametrize("family", ["moonshine", pytest.param("moonshine_streaming", marks=pytest.mark.thorough)])
def test_conventions_become_one_adapter_of_three_times_the_rank(family: str, tmp_path: Path) -> None:
    pytest.importorskip("moonshine_voice")
    report = export_run(run_with(tmp_path, "conventions", family), RUN, TARGET)
    assert min(stage.psnr for stage in report.stages) > 90
    assert report.others == []
    about = json.loads((report.folder / SETTINGS).read_text())
    assert (about["rank"], about["alpha"], about["sites"]) == (3 * RANK, 3 * RANK * SCALE, "decoder")
    assert {path.name for path in report.folder.iterdir()} == {FILE, SETTINGS, "export.json", "README.md"}


PATTERNS = {
    r".*\.encoder\.layers\.\d+\.self_attn\.[qkv]_proj": (3 * RANK, "encoder"),
    r".*\.layers\.\d+\.self_attn\.[qv]_proj": (2 * RANK, "both"),
    r".*\.decoder\.layers\.1\.self_attn\.k_proj": (RANK, "decoder"),
}


@pytest.mark.parametrize("has_theirs", [True, pytest.param(False, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_other_patterns_of_self_attention_are_filled_up_with_zeros(
    pattern: str, has_theirs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_theirs:
        pytest.importorskip("moonshine_voice")
    else:
        monkeypatch.setattr(makers_adapter, "find_spec", lambda name: None)
    report = export_run(run_with(tmp_path, pattern), RUN, TARGET)
    assert min(stage.psnr for stage in report.stages) > 90
    about = json.loads((report.folder / SETTINGS).read_text())
    assert (about["rank"], about["sites"]) == PATTERNS[pattern]


def test_an_adapter_scaled_by_the_root_of_its_rank_keeps_its_strength(tmp_path: Path) -> None:
    report = export_run(run_with(tmp_path, "conventions", use_rslora=True), RUN, TARGET)
    about = json.loads((report.folder / SETTINGS).read_text())
    assert about["alpha"] / about["rank"] == pytest.approx(RANK * SCALE / RANK**0.5)
    assert min(stage.psnr for stage in report.stages) > 90


def test_what_the_file_says_decides_and_not_the_merged_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = makers_adapter.to_makers

    def weakened(*given: Any) -> Any:
        tensors, layout = made(*given)
        return {name: tensor * 0.5 for name, tensor in tensors.items()}, layout

    monkeypatch.setattr(makers_adapter, "to_makers", weakened)
    with pytest.raises(ModelError, match="refused by the check"):
        export_run(run_with(tmp_path, "conventions"), RUN, TARGET)


@pytest.mark.parametrize(
    ("targets", "settings", "why"),
    [
        ("voice", {}, r"is also on model\.decoder\.layers\.0\.encoder_attn\.k_proj"),
        ("full", {}, r"is also on model\.decoder\.layers\.0\.encoder_attn\.k_proj"),
        ("conventions", {"alpha_pattern": {"q_proj": 2}}, "has several strengths"),
    ],
)
def test_more_than_the_layout_has_is_refused_with_what_to_choose(
    targets: str, settings: dict[str, Any], why: str, tmp_path: Path
) -> None:
    workspace = run_with(tmp_path, targets, **settings)
    with pytest.raises(ModelError, match=why) as refused:
        export_run(workspace, RUN, TARGET)
    assert "Conventions" in refused.value.remedy
    assert not (RunFolder(workspace.run(RUN)).exports / f"{TARGET}-fp32").exists()


def test_dora_is_refused_by_its_name() -> None:
    with pytest.raises(ModelError, match="this adapter is DoRA"):
        makers_adapter._check({"use_dora": True}, {"base_model.model.model.x.lora_magnitude_vector": None})


@pytest.mark.thorough
def test_the_lines_in_the_card_make_the_model_that_was_tuned(tmp_path: Path) -> None:
    pytest.importorskip("moonshine_voice")
    workspace = run_with(tmp_path, "conventions", "moonshine_streaming")
    report = export_run(workspace, RUN, TARGET)
    _, _, code = (report.folder / "README.md").read_text().partition("```python\n")
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code.partition("```")[0], "card", "exec"), names)
    tuned = load(report.base, "cpu", adapter=RunFolder(workspace.run(RUN)).adapter)
    clip = Clip(SOUNDS[0])
    tuned.family.settle(names["model"], tuned.folder, "")
    theirs = tuned.family.logits(names["model"], tuned.processor, clip)
    assert (theirs - tuned.family.logits(tuned.model, tuned.processor, clip)).abs().max() < 1e-4
