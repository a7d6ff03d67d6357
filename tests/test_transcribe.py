"""Reading lists of clips, and the JSON behind the verb."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio import cli
from studio.audio import write_wav
from studio.config import TrainConfig
from studio.errors import DataError, ModelError
from studio.inference.compare import transcribe_each
from studio.inference.transcribe import transcribe, transcribe_list
from studio.models import Clip, load
from studio.models.adapters import attach, save, trainable
from studio.models.echo import speak
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

TEXTS = ("call 7589", "yes", "order number 1296803")


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    """Three sound files, one of them stereo at 48 kHz as browsers record."""
    from studio.audio import resample

    folder = tmp_path / "clips"
    folder.mkdir()
    paths = [folder / f"{place}.wav" for place in range(len(TEXTS))]
    for path, text in zip(paths, TEXTS, strict=True):
        write_wav(path, speak(text), 16_000)
    write_wav(paths[1], resample(speak(TEXTS[1]), 16_000, 48_000), 48_000)
    return paths


def manifest(clips: list[Path], references: tuple[str, ...] = TEXTS) -> Path:
    path = clips[0].parent.parent / "manifest.jsonl"
    rows = [
        {"audio_filepath": f"clips/{clip.name}", "text": text, "duration": 1.0}
        for clip, text in zip(clips, references, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def adapter_that_shouts(folder: Path) -> Path:
    """An adapter that changes what echo writes."""
    import torch

    recogniser = attach(load("echo", "cpu"), 4, 8, 0.0, "attention", seed=0)
    torch.manual_seed(0)
    for parameter in trainable(recogniser):
        torch.nn.init.normal_(parameter, std=1.0)
    save(recogniser, folder)
    return folder


def test_a_list_is_read_in_its_order_whatever_the_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.models.limits.BATCH_SECONDS", 1.0)
    echo = load("echo", "cpu")
    assert [hypothesis.text for hypothesis in transcribe(echo, [Clip(speak(text)) for text in TEXTS])] == list(TEXTS)
    assert transcribe(echo, []) == []


def test_before_is_the_base_and_after_the_adapter(tmp_path: Path) -> None:
    recogniser = load("echo", "cpu", adapter=adapter_that_shouts(tmp_path / "adapter"))
    before, after = (reading.plain for reading in transcribe_each(recogniser, Clip(speak(TEXTS[0]))))
    assert before.text == TEXTS[0] != after.text
    assert [reading.plain.text for reading in transcribe_each(load("echo", "cpu"), Clip(speak("yes")))] == ["yes"]


def test_sound_files_are_read_with_their_seconds_and_latencies(clips: list[Path]) -> None:
    result = transcribe_list(clips, model="echo")
    assert [row["text"] for row in result["clips"]] == list(TEXTS)
    assert result["clips"][1]["seconds"] == pytest.approx(0.15)
    assert all(row["latency"] > 0 and row["wer"] is None for row in result["clips"])
    assert result["totals"]["score"] is None


def test_a_manifest_gives_references_and_so_errors(clips: list[Path]) -> None:
    result = transcribe_list(manifest(clips, ("call 7589", "no", "order number 1296803")), model="echo")
    assert [row["wer"] for row in result["clips"]] == [0, 1, 0]
    assert result["totals"]["score"]["wer"] == pytest.approx(1 / 6)
    assert result["clips"][1]["reference"] == "no"


def test_a_text_file_lists_paths_beside_it(clips: list[Path]) -> None:
    listing = clips[0].parent / "list.txt"
    listing.write_text("\n".join(clip.name for clip in clips) + "\n\n")
    assert [row["text"] for row in transcribe_list(listing, model="echo")["clips"]] == list(TEXTS)


def test_the_output_file_holds_what_is_returned(clips: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "new folder" / "result.json"
    result = transcribe_list(clips, model="echo", output=output)
    assert json.loads(output.read_text()) == result


def test_an_adapter_is_taken_from_a_folder_a_run_or_a_runs_name(clips: list[Path], tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    run = RunFolder(workspace.run("my-run"))
    adapter_that_shouts(run.adapter)
    texts = [
        [row["text"] for row in transcribe_list(clips, model="echo", adapter=named, workspace=workspace)["clips"]]
        for named in (run.adapter, run.path, "my-run", Path("my-run"))
    ]
    assert texts[0] != list(TEXTS)
    assert all(found == texts[0] for found in texts)
    with pytest.raises(ModelError, match="studio runs"):
        transcribe_list(clips, model="echo", adapter=Path("no-such-run"))


def test_a_runs_adapter_is_used_on_the_base_it_was_trained_on(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    run = RunFolder(Workspace(tmp_path).run("my-run"))
    adapter_that_shouts(run.adapter)
    run.keep_settings(TrainConfig(dataset="mine", model="echo"))
    with pytest.raises(SystemExit, match="0"):
        cli.main(["transcribe", str(clips[0]), "--adapter", "my-run"])
    assert json.loads(capsys.readouterr().out)["model"] == "echo"


def test_another_processor_folder_is_honoured(clips: list[Path], tmp_path: Path) -> None:
    import tiny_models

    model = tiny_models.moonshine(tmp_path / "model", pad_token_id=3)
    quiet = [Path(clips[2])]
    own = transcribe_list(quiet, model=str(model))["clips"][0]
    other = tiny_models.moonshine(tmp_path / "other", do_normalize=True)
    assert transcribe_list(quiet, model=str(model), processor=model)["clips"][0]["text"] == own["text"]
    changed = transcribe_list(quiet, model=str(model), processor=other)["clips"][0]
    assert changed["confidence"] != own["confidence"]
    with pytest.raises(ModelError, match="holds no processor"):
        transcribe_list(quiet, model=str(model), processor=tmp_path)


def test_one_bad_file_does_not_lose_the_others(clips: list[Path]) -> None:
    clips[0].write_text("this is text")
    write_wav(clips[2], np.zeros(80, np.float32), 16_000)
    result = transcribe_list(clips, model="echo")
    errors = [row["error"] for row in result["clips"]]
    assert errors[1] is None
    assert errors[0]
    assert "at least" in errors[2]
    assert (result["totals"]["clips"], result["totals"]["failed"]) == (1, 2)


def test_when_no_file_can_be_read_the_first_reason_is_raised(clips: list[Path]) -> None:
    clips[0].write_text("this is text")
    with pytest.raises(DataError, match=r"0\.wav"):
        transcribe_list(clips[:1], model="echo")


def test_missing_files_empty_lists_and_foreign_lines_are_sentences(clips: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no sound file missing"):
        transcribe_list([Path("missing.wav")], model="echo")
    with pytest.raises(DataError, match="nothing to transcribe"):
        transcribe_list([], model="echo")
    (tmp_path / "manifest.jsonl").write_text('{"audio_filepath": "clips/0.wav"}\n{"audio_')
    with pytest.raises(DataError, match="Line 2"):
        transcribe_list(tmp_path / "manifest.jsonl", model="echo")
    with pytest.raises(ModelError, match="studio fetch"):
        transcribe_list([Path("missing.wav")], model="no-such/model")
