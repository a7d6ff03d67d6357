"""A tuned Kyutai model in its makers' layout: the same logits in their own code where it is installed, and turned back.

`STUDIO_MOSHI=folder` names a folder with moshi 0.2.13 and what it imports, installed without its dependencies.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from candles import CLASSES, CODEC, HEADS, TOKENIZER, makers_config, write_candle
from exports import RUN, SOUNDS, run_on

from studio.errors import ModelError
from studio.export import gate
from studio.export.candle import LORA, Candle, _ReadBack
from studio.export.candle_layout import Shape, from_makers, to_makers
from studio.export.exporting import export_run
from studio.export.reference import LOGITS, Reference
from studio.export.uses import uses
from studio.models import load
from studio.models.adapters import attach, save, trainable
from studio.models.claims import header
from studio.models.kyutai import candle_folder
from studio.models.kyutai.candle_folder import CONFIG, WEIGHTS, candle_copy_of
from studio.runs.folder import RunFolder
from studio.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("kyutai")
    write_candle(tiny_models.kyutai(root / "base"))
    return run_on(root / "base", root, "full", SOUNDS[:2])


@pytest.fixture(scope="module")
def exported(workspace: Workspace) -> gate.ExportReport:
    return export_run(workspace, RUN, "candle")


@pytest.fixture(scope="module")
def moshi() -> Iterator[None]:
    """The makers' package, within the block."""
    folder = os.environ.get("STUDIO_MOSHI", "")
    if not folder:
        pytest.skip("moshi is not installed: set STUDIO_MOSHI")
    sys.path.append(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import moshi.models  # noqa: F401
    yield
    sys.path.remove(folder)


def test_names_and_turns_come_back_as_they_were(workspace: Workspace) -> None:
    from safetensors.torch import load_file

    base = workspace.root / "base"
    ours = load_file(base / "model.safetensors")
    shape = Shape.of(json.loads((base / "config.json").read_text()))
    back = from_makers(dict(to_makers(ours.__getitem__, shape)), shape)
    assert back.keys() == {name for name in ours if not name.startswith("codec_model.")}
    for name, tensor in back.items():
        rows = tensor.shape[0] - (name in ("lm_head.weight", "model.embed_tokens.embed_tokens.weight"))
        assert tensor[:rows].equal(ours[name][:rows]), name


def test_the_export_passes_the_gate_and_holds_what_servers_load(
    workspace: Workspace, exported: gate.ExportReport, reference: Reference
) -> None:
    folder = exported.folder
    assert [stage.name for stage in exported.stages] == [LOGITS]
    assert exported.stages[0].psnr > 40
    base = workspace.root / "base-candle"
    shapes = header(folder / WEIGHTS)
    assert shapes == header(base / WEIGHTS)
    assert {path.name for path in folder.iterdir()} >= {CONFIG, WEIGHTS, CODEC, TOKENIZER, LORA, "README.md"}
    assert (folder / CODEC).read_bytes() == b"codec"
    assert json.loads((folder / CONFIG).read_text()) == makers_config(moshi_name=WEIGHTS)
    kept, were = candle_folder.opened(folder).pause_heads(), candle_copy_of(workspace.root / "base").pause_heads()
    assert all(kept[name].equal(head.bfloat16().float()) for name, head in were.items())
    read = _ReadBack(folder, reference)
    for sound in SOUNDS:
        ours = reference.stages(sound)[LOGITS]
        best, second = np.sort(ours, axis=-1)[:, :-3:-1].T
        is_clear = best - second > np.abs(read.stages(sound)[LOGITS] - ours).max()  # else rounding to bf16 may decide
        assert is_clear.mean() > 0.5
        assert (read.stages(sound)[LOGITS].argmax(-1) == ours.argmax(-1))[is_clear].all()


def test_another_order_of_rotations_is_noticed(
    exported: gate.ExportReport, reference: Reference, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    for path in exported.folder.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path / path.name)
    weights = load_file(tmp_path / WEIGHTS)
    name = "transformer.layers.0.self_attn.in_proj_weight"
    weights[name] = weights[name][list(range(63, -1, -1)) + list(range(64, 192))].contiguous()
    save_file(weights, tmp_path / WEIGHTS)
    stages = gate._stages(reference, _ReadBack(tmp_path, reference), SOUNDS[:1])
    with pytest.raises(ModelError, match="refused by the check “logits”"):
        gate._check_stages(stages, 40.0)


@pytest.mark.usefixtures("moshi")
def test_the_makers_own_code_computes_the_same(exported: gate.ExportReport, reference: Reference) -> None:
    from studio.export.candle_moshi import Moshi

    theirs, ours = Moshi(exported.folder, reference), _ReadBack(exported.folder, reference)
    for sound in SOUNDS:
        found, wanted = theirs.stages(sound)[LOGITS], ours.stages(sound)[LOGITS]
        assert np.abs(found - wanted).max() < 1e-4
        assert (found.argmax(-1) == wanted.argmax(-1)).all()
        assert theirs.transcribe(sound) == ours.transcribe(sound)


@pytest.mark.usefixtures("moshi")
@pytest.mark.parametrize("targets", ["full", "conventions"])
def test_the_makers_own_code_loads_the_adapter_alone_on_the_base(targets: str, tmp_path: Path) -> None:
    from studio.export.candle_moshi import Moshi

    candle = write_candle(tiny_models.kyutai(tmp_path / "base"))
    workspace = run_on(tmp_path / "base", tmp_path, targets, SOUNDS[:1])
    merged = Reference.of(export_run(workspace, RUN, "merged").folder)
    report = export_run(workspace, RUN, "candle")
    lora = json.loads((report.folder / LORA / CONFIG).read_text())
    settings = json.loads((RunFolder(workspace.root / "outputs" / RUN).adapter / "adapter_config.json").read_text())
    assert lora["lora_rank"] == settings["r"] * {"full": 3, "conventions": 2}[targets]
    assert lora["lora_scaling"] == settings["lora_alpha"] / settings["r"]
    base = Reference.of(tmp_path / "base")
    theirs = Moshi(candle, merged, lora=report.folder / LORA)
    found, wanted, plain = (each.stages(SOUNDS[0])[LOGITS] for each in (theirs, merged, base))
    assert np.abs(found - wanted).max() < 1e-3 < np.abs(plain - wanted).max()
    assert (found.argmax(-1) == wanted.argmax(-1)).all()


def with_tables(workspace: Workspace, **kind: Any) -> Path:
    """The run's adapter, made anew with the embeddings trained whole; what was learnt has bf16's steps."""
    import torch

    base, folder = load(workspace.root / "base", "cpu"), RunFolder(workspace.root / "outputs" / RUN).adapter
    family: Any = base.family
    tuned = attach(base, 4, 8, 0.0, "full", seed=0, whole=[family.embeddings], **kind)
    torch.manual_seed(4)
    for parameter in trainable(tuned):
        parameter.data = (0.1 * torch.randn(parameter.shape)).bfloat16().float()
    shutil.rmtree(folder)
    save(tuned, folder)
    return folder


@pytest.mark.thorough
def test_trained_embeddings_lie_beside_the_adapter_as_the_makers_tables(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    write_candle(tiny_models.kyutai(tmp_path / "base"))
    workspace = run_on(tmp_path / "base", tmp_path, "full", SOUNDS[:1])
    trained = load_file(with_tables(workspace) / "adapter_model.safetensors")
    table = trained["base_model.model.model.embed_tokens.embed_tokens.weight"]
    report = export_run(workspace, RUN, "candle")
    written = load_file(report.folder / LORA / "lora.safetensors")
    shape = Shape.of(json.loads((tmp_path / "base" / "config.json").read_text()))
    tables = [written["text_emb.weight"], *(written[f"emb.{book}.weight"] for book in range(shape.books))]
    assert [len(part) for part in tables] == [shape.vocabulary, *[shape.codes] * shape.books]
    rows = np.concatenate([part.float().numpy() for part in tables])
    assert (rows == table[: len(rows)].numpy()).all()


@pytest.mark.usefixtures("moshi")
def test_the_makers_own_code_loads_trained_embeddings_with_the_adapter(tmp_path: Path) -> None:
    from studio.export.candle_moshi import Moshi

    candle = write_candle(tiny_models.kyutai(tmp_path / "base"))
    workspace = run_on(tmp_path / "base", tmp_path, "full", SOUNDS[:1])
    with_tables(workspace)
    merged = Reference.of(export_run(workspace, RUN, "merged").folder)
    lora = export_run(workspace, RUN, "candle").folder / LORA
    found, wanted = (each.stages(SOUNDS[0])[LOGITS] for each in (Moshi(candle, merged, lora=lora), merged))
    assert np.abs(found - wanted).max() < 1e-3
    assert (found.argmax(-1) == wanted.argmax(-1)).all()


@pytest.mark.thorough
def test_an_adapter_that_the_makers_do_not_load_is_exported_merged_alone_and_says_why(tmp_path: Path) -> None:
    write_candle(tiny_models.kyutai(tmp_path / "base"))
    workspace = run_on(tmp_path / "base", tmp_path, "full", SOUNDS[:1])
    with_tables(workspace, dora=True)
    report = export_run(workspace, RUN, "candle")
    assert not (report.folder / LORA).exists()
    assert "The adapter alone is not here: it is DoRA" in (report.folder / "README.md").read_text()


def test_a_person_reads_how_it_is_used_in_each_program(exported: gate.ExportReport) -> None:
    cards = uses(Candle().usage(exported.folder, exported.folder), "")
    assert [card.program for card in cards] == ["moshi-server (Unmute)", "Python, with moshi", "MLX, on a Mac"]
    server = tomllib.loads(next(passage.text for passage in cards[0].passages if passage.is_code))
    asr = server["modules"]["asr"]
    assert Path(asr["lm_model_file"]).is_file()
    assert asr["asr_delay_in_tokens"] == 6
    assert asr["model"]["text_in_vocab_size"] == 485
    assert asr["model"]["extra_heads"] == {"num_heads": HEADS, "dim": CLASSES}
    compile(next(passage.text for passage in cards[1].passages if passage.is_code), "usage", "exec")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder), "no copy for its makers' servers next to it: base-candle"),
        (lambda folder: (folder / CODEC).unlink(), r"lacks the codec \(Mimi\): mimi-pytorch-tiny.safetensors"),
        (lambda folder: (folder / TOKENIZER).unlink(), "lacks the tokenizer"),
        (lambda folder: (folder / WEIGHTS).unlink(), "lacks the network"),
        (lambda folder: (folder / CONFIG).unlink(), "config.json is missing"),
        (lambda folder: (folder / CONFIG).write_text("{}"), r"does not name the codec \(Mimi\)"),
        (lambda folder: (folder / CONFIG).write_text('{"mimi_name": "../x"}'), r"does not name the codec \(Mimi\)"),
    ],
)
def test_a_candle_folder_that_is_not_whole_is_a_sentence(spoil: Any, sentence: str, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    candle = tmp_path / "base-candle"
    candle.mkdir()
    for name in (WEIGHTS, CODEC, TOKENIZER):
        (candle / name).write_bytes(b"")
    (candle / CONFIG).write_text(json.dumps(makers_config()))
    spoil(candle)
    with pytest.raises(ModelError, match=sentence):
        candle_copy_of(base)


def test_a_candle_folder_given_as_a_model_is_a_sentence(workspace: Workspace) -> None:
    with pytest.raises(ModelError, match="is for Kyutai's own servers") as refused:
        load(workspace.root / "base-candle", "cpu")
    assert refused.value.remedy == "Choose the copy of the model whose name ends in -trfs."


def test_a_model_of_the_hub_without_its_copy_says_what_to_fetch() -> None:
    with pytest.raises(ModelError, match="no copy for its makers' servers") as refused:
        candle_copy_of("kyutai/stt-1b-en_fr-trfs")
    assert refused.value.remedy.endswith("studio fetch kyutai/stt-1b-en_fr-candle")
