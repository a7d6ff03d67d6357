"""A merged folder stands alone: plain transformers loads it, and it reads like model and adapter together."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from typer.testing import CliRunner

from studio.audio import write_wav
from studio.cli import app
from studio.errors import ConfigError, ModelError
from studio.export.merged import merge, merge_run
from studio.export.snippets import adapter_snippet, merged_snippet
from studio.models import Clip, Recogniser, load, locate
from studio.models.adapters import attach, save, trainable
from studio.models.echo import speak
from studio.runs.folder import RunFolder
from studio.workspace import Workspace


def adapter(folder: Path, source: str | Path, targets: str = "all", strength: float = 0.1) -> Path:
    """An adapter that pretends to be trained."""
    import torch

    recogniser = attach(load(source, "cpu"), 4, 8, 0.0, targets, seed=0)
    torch.manual_seed(3)
    for parameter in trainable(recogniser):
        torch.nn.init.normal_(parameter, std=strength)
    save(recogniser, folder)
    return folder


def model_folder(kind: str, folder: Path) -> str:
    if kind == "starter":
        if not (locate("starter") / "model.safetensors").is_file():
            pytest.skip("the starter's weights are not in the package")
        return "starter"
    make = tiny_models.moonshine if kind == "moonshine" else tiny_models.moonshine_streaming
    return str(make(folder))


def read(recogniser: Recogniser, seconds: float = 1.7) -> str:
    clip = Clip(tiny_models.noise(seconds))
    return recogniser.family.transcribe(recogniser.model, recogniser.processor, clip).text


STREAMING = pytest.param("moonshine_streaming", marks=pytest.mark.thorough)


@pytest.mark.parametrize("kind", ["moonshine", STREAMING, "starter"])
def test_the_merged_model_has_the_logits_of_model_and_adapter(kind: str, tmp_path: Path) -> None:
    base = model_folder(kind, tmp_path / "base")
    lora = adapter(tmp_path / "run" / "lora_adapter", base)
    report = merge(lora, tmp_path / "merged", lambda family: [Clip(tiny_models.noise(2.0))])
    assert report.max_difference < 1e-3
    assert report.clips == 1
    pair, merged = load(base, "cpu", adapter=lora), load(tmp_path / "merged", "cpu")
    assert read(merged) == read(pair) != read(load(base, "cpu"))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's own call
@pytest.mark.usefixtures("librosa_at_once")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's own imports
@pytest.mark.parametrize("kind", ["moonshine", STREAMING, pytest.param("starter", marks=pytest.mark.thorough)])
def test_both_snippets_run_without_this_project_and_read_alike(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = model_folder(kind, tmp_path / "base")
    lora = adapter(tmp_path / "run" / "lora_adapter", base)
    merge(lora, tmp_path / "merged")
    write_wav(tmp_path / "clip.wav", tiny_models.noise(1.7), 16_000)
    monkeypatch.chdir(tmp_path)
    written = []
    for snippet in (adapter_snippet(lora), merged_snippet(tmp_path / "merged")):
        assert "studio" not in snippet.replace(str(locate(base)), "")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(snippet, "snippet", "exec"), {})
        written.append(printed.getvalue())
    assert written[0] == written[1]
    assert written[0].strip()


def test_the_folder_is_whole_and_says_how_to_use_it(tmp_path: Path) -> None:
    base = model_folder("moonshine", tmp_path / "base")
    lora = adapter(tmp_path / "run" / "lora_adapter", base)
    report = merge(lora, tmp_path / "merged")
    names = {path.name for path in (tmp_path / "merged").iterdir()}
    assert names >= {"config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "README.md"}
    assert not any("adapter" in name for name in names)
    assert str(tmp_path / "merged") in (tmp_path / "merged" / "README.md").read_text()
    assert str(report.folder) in report.as_text()
    assert f"{report.max_difference:.1e}" in report.as_text()


def test_a_merge_that_changes_the_model_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = model_folder("moonshine", tmp_path / "base")
    lora = adapter(tmp_path / "run" / "lora_adapter", base)
    monkeypatch.setattr("peft.PeftModel.merge_and_unload", lambda model, safe_merge: model.unload(), raising=False)
    with pytest.raises(ModelError, match="not the same"):
        merge(lora, tmp_path / "merged")
    assert {path.name for path in tmp_path.iterdir()} == {"base", "run"}


def test_a_second_merge_replaces_the_first_but_nothing_else(tmp_path: Path) -> None:
    lora = adapter(tmp_path / "run" / "lora_adapter", "echo")
    merge(lora, tmp_path / "merged")
    merge(lora, tmp_path / "merged")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="not a model"):
        merge(lora, tmp_path / "precious")
    assert (tmp_path / "precious" / "thesis.txt").exists()


def test_the_fake_merges_too_and_reads_as_it_was_taught(tmp_path: Path) -> None:
    lora = adapter(tmp_path / "lora", "echo", strength=0.4)
    stages: list[str] = []
    merge(lora, tmp_path / "merged", on_stage=stages.append)
    clip = Clip(speak("call 7589"))
    pair, merged = load("echo", "cpu", adapter=lora), load(tmp_path / "merged", "cpu")
    texts = [each.family.transcribe(each.model, each.processor, clip).text for each in (pair, merged)]
    assert texts[0] == texts[1] != "call 7589"
    assert stages == ["loading", "merging", "checking"]


def test_an_adapter_from_elsewhere_is_refused_with_the_reason(tmp_path: Path) -> None:
    lora = adapter(tmp_path / "lora", "echo")
    (lora / "base.json").unlink()
    with pytest.raises(ModelError, match="does not say which model"):
        merge(lora, tmp_path / "merged")


def test_the_verb_merges_a_run_by_its_name(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "outputs" / "my-run")
    adapter(run.adapter, "echo")
    assert merge_run(Workspace(tmp_path), "my-run").folder == run.path / "merged"
    done = CliRunner().invoke(app, ["--workspace", str(tmp_path), "merge", "my-run", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "out") in done.output
    with pytest.raises(ModelError, match="studio runs"):
        merge_run(Workspace(tmp_path), "no-such-run")


def test_a_runs_own_held_out_clips_are_compared(tmp_path: Path) -> None:
    from studio.data.manifest import Dataset

    dataset = Dataset.create(tmp_path / "recordings" / "me")
    for text in ("call 7589", "room 29"):
        write_wav(tmp_path / "clip.wav", np.pad(speak(text), 4000), 16_000)
        dataset.add(tmp_path / "clip.wav", text=text, split="test")
    run = RunFolder(tmp_path / "outputs" / "my-run")
    adapter(run.adapter, "echo")
    from studio.config import TrainConfig
    from studio.runs.metadata import RunRecord

    record = RunRecord.of(TrainConfig(dataset="me", model="echo"), "my-run", device="cpu", threads=1, precision="fp32")
    run.config.write_text(json.dumps(record.model_dump(mode="json")))
    run.manifest.write_text("".join(clip.to_line() + "\n" for clip in dataset.utterances()))
    assert merge_run(Workspace(tmp_path), "my-run").clips == 2
