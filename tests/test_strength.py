"""How strongly an adapter acts: chosen after training, where less forgets less; tried in Test; kept in its files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from finished import finished
from tiny_models import moonshine, noise
from tones import adapter, config, tones, train
from typer.testing import CliRunner

from studio.cli import app
from studio.errors import ConfigError, ModelError
from studio.models import Clip, Recogniser, adapters, load, strength
from studio.runs.events import Finished, Warned
from studio.train.progress import LOSS_FOR_NOTHING, Scoring
from studio.train.stages import FineTune
from studio.ui import hearing
from studio.workspace import Workspace


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return moonshine(tmp_path_factory.mktemp("models") / "base")


def trained(base: Path, folder: Path, **options: Any) -> Path:
    """An adapter that changes what the model writes."""
    import torch

    recogniser = adapters.attach(load(base, "cpu"), 4, 8.0, 0.0, "deep", 0, **options)
    with torch.no_grad():
        for parameter in adapters.trainable(recogniser):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    adapters.save(recogniser, folder)
    return folder


def logits(recogniser: Recogniser) -> Any:
    return recogniser.family.logits(recogniser.model, recogniser.processor, Clip(noise(1.0), "one two")).numpy()


def test_strength_zero_is_the_base_and_strength_one_the_adapter(base: Path, tmp_path: Path) -> None:
    plain, tuned = load(base, "cpu"), load(base, "cpu", adapter=trained(base, tmp_path / "lora"))
    before, after = logits(plain), logits(tuned)
    assert np.abs(before - after).max() > 1e-2
    with strength.scaled(tuned, 0.0):
        np.testing.assert_allclose(logits(tuned), before, atol=1e-5)
    with strength.scaled(tuned, 0.5):
        between = logits(tuned)
    assert np.abs(between - before).max() > 1e-3
    assert np.abs(between - after).max() > 1e-3
    np.testing.assert_array_equal(logits(tuned), after)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own call
def test_a_strength_that_was_kept_is_in_the_files_as_peft_and_the_merged_model_take_it(
    base: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    folder = trained(base, tmp_path / "lora")
    tuned = load(base, "cpu", adapter=folder)
    with strength.scaled(tuned, 0.5):
        half = logits(tuned)
    assert strength.strength_of(folder) == 1
    strength.change(folder, 0.5)
    assert strength.strength_of(folder) == 0.5
    np.testing.assert_allclose(logits(load(base, "cpu", adapter=folder)), half, atol=1e-6)
    plain = load(base, "cpu")
    by_peft = PeftModel.from_pretrained(plain.model, folder)
    found = plain.family.logits(by_peft, plain.processor, Clip(noise(1.0), "one two")).numpy()
    np.testing.assert_allclose(found, half, atol=1e-6)
    strength.change(folder, 1.0)
    np.testing.assert_array_equal(logits(load(base, "cpu", adapter=folder)), logits(tuned))


def test_what_was_transcribed_at_one_strength_is_not_taken_for_another(base: Path, tmp_path: Path) -> None:
    folder = trained(base, tmp_path / "lora")
    before = adapters.adapter_hash(load(base, "cpu", adapter=folder))
    was = (folder / "adapter_model.safetensors").stat().st_mtime_ns
    strength.change(folder, 0.5)
    assert adapters.adapter_hash(load(base, "cpu", adapter=folder)) != before
    assert (folder / "adapter_model.safetensors").stat().st_mtime_ns > was


@pytest.mark.parametrize("value", [0, -1, 1.01, float("nan")])
def test_an_impossible_strength_is_refused_and_nothing_is_written(value: float, base: Path, tmp_path: Path) -> None:
    folder = trained(base, tmp_path / "lora")
    with pytest.raises(ConfigError, match="is impossible"):
        strength.change(folder, value)
    assert strength.strength_of(folder) == 1


def test_an_adapter_with_dora_has_no_other_strength(base: Path, tmp_path: Path) -> None:
    folder = trained(base, tmp_path / "lora", dora=True)
    with pytest.raises(ModelError, match="uses DoRA"):
        strength.change(folder, 0.5)
    assert not strength.can_change(load(base, "cpu", adapter=folder))


def test_the_command_line_changes_the_strength_of_a_run(base: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    run = finished(tmp_path, "tones-0001", ["a"], ["b"], ["a"])
    trained(base, run.adapter)
    said = CliRunner().invoke(app, ["run", "tones-0001", "--strength", "0.75"], catch_exceptions=False)
    assert "75%" in said.stdout
    assert "studio evaluate" in said.stdout
    assert strength.strength_of(run.adapter) == 0.75


def scoring(wer: float, loss: float, general_wer: float, general_loss: float) -> Scoring:
    return Scoring(step=1, wer=wer, loss=loss, general_wer=general_wer, general_loss=general_loss)


@pytest.mark.parametrize(
    ("weaker", "is_gentler"),
    [
        (scoring(0.1, 0.20, 0.08, 0.50), True),
        (scoring(0.1, 0.20 + LOSS_FOR_NOTHING, 0.08, 0.50), True),
        (scoring(0.1, 0.25, 0.08, 0.50), False),  # the person pays
        (scoring(0.2, 0.20, 0.08, 0.50), False),
        (scoring(0.1, 0.20, 0.11, 0.50), False),  # other voices do
        (scoring(0.1, 0.20, 0.10, 0.60), False),  # nothing is gained
    ],
)
def test_less_strength_is_taken_only_where_it_forgets_less_for_nothing(weaker: Scoring, is_gentler: bool) -> None:
    assert weaker.is_gentler_than(scoring(0.1, 0.20, 0.10, 0.60)) is is_gentler


def test_a_run_that_forgets_is_weakened_saved_and_scored_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What validation says is put in its mouth; what is saved, scored and reported is real."""
    tones(tmp_path)
    said = iter([scoring(0.0, 0.1, 0.1, 0.5), scoring(0.0, 0.2, 0.1, 0.4)])

    def scored(self: FineTune, unit: Any) -> Any:
        yield from ()
        return None, next(said)

    def best(self: FineTune, unit: Any) -> Any:
        yield from ()
        progress = self._learner.progress
        progress.base, progress.best = scoring(1.0, 2.0, 0.05, 0.3), scoring(0.0, 0.1, 0.2, 0.9)
        monkeypatch.setattr(FineTune, "_scored", scored)
        return progress.step

    monkeypatch.setattr(FineTune, "_keep_best", best)
    seen = train(tmp_path, "weak", config())
    assert isinstance(seen[-1], Finished)
    assert seen[-1].strength == 0.75
    assert any("75% of its strength" in event.message for event in seen if isinstance(event, Warned))
    folder = tmp_path / "outputs" / "weak" / "lora_adapter"
    assert strength.strength_of(folder) == 0.75
    assert json.loads((folder / "adapter_config.json").read_text())["lora_alpha"] == 0.75 * config().alpha
    assert "75%" in (tmp_path / "outputs" / "weak" / "report.md").read_text()


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ((0.1, 0.1, 0.1, 0.1), 0.1),
        ((0.1, 0.08, 0.12, 0.09), 0.5),  # the fewest errors, wherever they are
        ((0.12, 0.08, 0.12, 0.08), 0.1),  # of two as good the weaker
        ((0.11, 0.12, 0.13, 0.14), 1.0),
    ],
)
def test_a_typing_run_takes_the_lowest_strength_with_the_fewest_errors(
    errors: tuple[float, ...], chosen: float
) -> None:
    said = dict(zip(strength.WEAKER_TYPING, errors, strict=True))

    def scored_at(weaker: float, unit: Any) -> Any:
        yield from ()
        return scoring(said[weaker], 0.2, 0.0, 0.0)

    run: Any = SimpleNamespace(_scored_at=scored_at)
    search = FineTune._least_strength(run, scoring(0.1, 0.2, 0.0, 0.0), "word")
    with pytest.raises(StopIteration) as end:
        next(search)
    assert end.value.value == chosen


def test_a_run_that_forgets_nothing_keeps_its_whole_strength(tmp_path: Path) -> None:
    tones(tmp_path)
    seen = train(tmp_path, "whole", config())
    assert isinstance(seen[-1], Finished)
    assert seen[-1].strength == 1
    assert adapter(tmp_path, "whole")


def test_the_test_tab_offers_no_strength_for_an_adapter_that_has_none(base: Path, tmp_path: Path) -> None:
    whole, dora = (finished(tmp_path, name, ["a"], ["b"], ["a"]) for name in ("whole", "dora"))
    trained(base, whole.adapter)
    trained(base, dora.adapter, dora=True)
    found = {run.name: run.strength for run in hearing.testable_runs(Workspace(tmp_path))}
    assert found == {"whole": 1.0, "dora": None}
