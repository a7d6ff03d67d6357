"""A tuned typing model as one file of ExecuTorch: what PyTorch computes, by the runtime that phones have."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import tiny_models
from exports import RUN, typing_run

from studio.errors import ModelError
from studio.export import executorch_typing
from studio.export.executorch_program import FILE
from studio.export.exporting import export_run
from studio.export.gate import ExportReport
from studio.export.reference import FIRST_LOGITS, Reference, clip_of
from studio.export.uses import uses_of
from studio.workspace import Workspace

Exported = Callable[[str], ExportReport]


@pytest.fixture(scope="module")
def typing(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run on a tiny Llama of one layer."""
    root = tmp_path_factory.mktemp("typing")
    return typing_run(tiny_models.causal_lm(root / "base", num_hidden_layers=1), root)


@pytest.fixture(scope="module")
def typed(typing: Workspace, quickened: None) -> Exported:
    """By precision; each made once."""
    pytest.importorskip("executorch")
    return cache(lambda precision: export_run(typing, RUN, "executorch", precision))


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_a_language_model_that_is_traced_computes_what_transformers_does_and_forgets_what_it_is_told_to(
    family: str, tmp_path: Path
) -> None:
    import torch

    from studio.export.traceable_text import Network

    model = Reference.of(tiny_models.causal_lm(tmp_path / "model", family)).recogniser.model
    network, ids = Network(model, 64), torch.arange(5, 29)
    for layer in network.layers:
        layer.keys.fill_(torch.nan)
        layer.values.fill_(torch.nan)
    with torch.no_grad():
        expected = model(ids[None]).logits[0]
        found = torch.cat([network(ids[at : at + 8], torch.tensor([at])) for at in (0, 8, 16)])
        assert torch.allclose(found, expected, atol=1e-4)
        other = torch.cat([ids[:8], torch.full((8,), 7)])
        assert torch.allclose(network(other[8:], torch.tensor([8])), model(other[None]).logits[0, 8:], atol=1e-4)


def test_a_typing_run_passes_the_gate_in_fp32_with_the_texts_of_pytorch(typed: Exported) -> None:
    report = typed("fp32")
    (stage,) = report.stages
    assert (stage.name, stage.psnr > 90) == (FIRST_LOGITS, True)
    assert report.others == []
    assert report.typing is not None
    card = (report.folder / "README.md").read_text()
    assert "On 3 held-out texts." in card
    assert "clip" not in card
    assert {FILE, "tokenizer.json", "prompt.json"} <= {path.name for path in report.folder.iterdir()}


@pytest.mark.thorough  # twice as slow to convert
def test_a_typing_run_passes_the_gate_in_eight_bits(typed: Exported) -> None:
    report = typed("8da8w")
    assert min(stage.psnr for stage in report.stages) > 25
    assert report.typing is not None


@pytest.mark.thorough
def test_the_lines_of_python_for_a_typing_model_write_the_networks_likeliest_answer(
    typing: Workspace, typed: Exported
) -> None:
    import torch

    cards = uses_of(typed("8da8w"))
    assert [card.program for card in cards] == ["an Android app", "an app for iPhone or Mac", "Python, with ExecuTorch"]
    (lines,) = [passage.text for passage in cards[-1].passages if passage.is_code]
    printed = subprocess.run([sys.executable, "-c", lines], check=True, capture_output=True, text=True).stdout
    merged = Reference.of(export_run(typing, RUN, "merged").folder).recogniser
    network = executorch_typing.Program(typed("8da8w").folder / FILE, 256, 1)
    prompt = merged.family.prompt(merged.model, merged.processor, clip_of("teh meeting is at noon"))
    ids, limit = list(prompt), min(2 * len(prompt) + 16, 256 - len(prompt))
    while len(ids) < len(prompt) + limit:
        token = int(network(ids, 0, len(ids) - 1)[0].argmax())
        if token == merged.model.config.eos_token_id:
            break
        ids.append(token)
    text = merged.processor.backend_tokenizer.decode(torch.tensor(ids[len(prompt) :]).tolist())
    assert printed == text.strip() + "\n"


def test_a_text_that_the_file_has_no_room_for_is_refused_in_a_sentence(typed: Exported) -> None:
    network = executorch_typing.Program(typed("fp32").folder / FILE, 256, 1)
    with pytest.raises(ModelError, match="more than 256 tokens"):
        network(range(257), 0, 0)
