"""Links, pipes, devices in place of plain files, and adapters with odd figures: a sentence, and nothing is touched."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sounds import recording
from tiny_models import moonshine
from tones import tones

from studio.data import formats
from studio.data.formats.files import Files
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.exporting import export_data
from studio.data.import_export.previewing import preview
from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.errors import DiskError, ModelError, StudioError
from studio.models import adapters, load, strength
from studio.serve.app import create_app
from studio.serve.engine import Engine
from studio.workspace import Workspace, resolved

ODD: dict[str, Callable[[Path], object]] = {
    "a link out of the dataset": lambda path: path.symlink_to(outside(path)),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
}


def outside(path: Path) -> Path:
    return path.parent.parent / "precious.txt"


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return ODD[request.param]


def test_an_odd_manifest_is_refused_and_what_it_leads_to_stays_as_it_is(
    odd: Callable[[Path], object], tmp_path: Path
) -> None:
    folder = tmp_path / "voice"
    (folder / "clips").mkdir(parents=True)
    outside(folder / "x").write_text("mine\n")
    odd(folder / "manifest.jsonl")
    looks: list[Callable[[], object]] = [
        lambda: Dataset.open(folder),
        lambda: Dataset.create(folder),
        lambda: Dataset(folder).utterances(),
        lambda: Dataset(folder).add(recording(), text="hello"),
    ]
    for look in looks:
        with pytest.raises(DiskError, match=r"manifest\.jsonl is not a plain file"):
            look()
    assert outside(folder / "x").read_text() == "mine\n"
    assert not (folder / "nowhere").exists()


def test_an_odd_journal_or_list_of_transcripts_is_refused(odd: Callable[[Path], object], tmp_path: Path) -> None:
    dataset = tones(tmp_path, 2)
    (clip,) = dataset.utterances()[:1]
    outside(dataset.folder / "x").write_text("mine\n")
    journal = dataset.folder / "journal.jsonl"
    journal.unlink(missing_ok=True)
    odd(journal)
    with pytest.raises(DiskError, match=r"journal\.jsonl"):
        Dataset(dataset.folder).edit(clip.id, text="another text")
    odd(asr_results.path_of(dataset))
    with pytest.raises(DiskError, match="is not a plain file"):
        asr_results.read(dataset)
    assert outside(dataset.folder / "x").read_text() == "mine\n"


def test_a_clip_that_is_a_link_to_itself_is_a_problem_of_that_clip_alone(tmp_path: Path) -> None:
    dataset = tones(tmp_path, 3)
    clip = dataset.clip_path(dataset.utterances()[0])
    clip.unlink()
    clip.symlink_to(clip.name)
    found = Dataset(dataset.folder)
    assert len(found.utterances()) == 2
    assert any("cannot be followed" in problem for problem in found.problems())


def test_a_workspace_or_a_folder_of_sounds_that_is_a_link_to_itself_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    monkeypatch.setenv("STUDIO_WORKSPACE", str(loop))
    with pytest.raises(DiskError, match="loop"):
        Workspace.here()
    with pytest.raises(DiskError, match="loop"):
        Files([loop])
    with pytest.raises(OSError, match="loop"):
        resolved(loop)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("format", sorted({*formats.FORMATS} - {"moshi-finetune"}))  # which needs word times
def test_a_list_that_never_ends_gives_no_clip_in_any_format(format: str, tmp_path: Path) -> None:
    whole = Path(export_data(tones(tmp_path, 3), format, tmp_path / "out").path)
    if whole.is_file():
        whole.unlink()
        whole.symlink_to("/dev/zero")
    for place in [path for path in whole.rglob("*") if path.is_file() and path.suffix not in (".wav", ".flac")]:
        place.unlink()
        place.symlink_to("/dev/zero")
    with suppress(StudioError):
        assert preview(ImportPlan([whole], format)).clips == 0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return moonshine(tmp_path_factory.mktemp("models") / "base")


@pytest.mark.parametrize(
    "changes",
    [
        {"lora_alpha": float("nan")},
        {"lora_alpha": float("inf")},
        {"lora_alpha": 0},
        {"lora_alpha": -16},
        {"lora_alpha": 1e300},
        {"alpha_pattern": {".*": float("nan")}},
        {"alpha_pattern": [1]},
        {"rank_pattern": {"a": "b"}},
        {"r": True},
    ],
)
def test_an_adapter_that_cannot_be_scaled_is_neither_loaded_nor_given_another_strength(
    changes: dict[str, Any], base: Path, tmp_path: Path
) -> None:
    recogniser = load(base, "cpu")
    adapters.save(adapters.attach(recogniser, 2, 4.0, 0.0, "conventions", 0), tmp_path / "lora")
    path = tmp_path / "lora" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    named = next(iter(changes))
    with pytest.raises(ModelError, match=named):
        load(base, "cpu", adapter=tmp_path / "lora")
    before = path.read_text()
    with pytest.raises(ModelError, match=named):
        strength.change(tmp_path / "lora", 0.5)
    assert path.read_text() == before


@pytest.mark.parametrize("trained", [10**400, 1e300, float("nan"), 0, -8, "8", None])
def test_an_odd_note_of_what_an_adapter_was_trained_with_counts_for_nothing(
    trained: Any, base: Path, tmp_path: Path
) -> None:
    recogniser = load(base, "cpu")
    adapters.save(adapters.attach(recogniser, 2, 4.0, 0.0, "conventions", 0), tmp_path / "lora")
    note = tmp_path / "lora" / "base.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"trained_alpha": trained}))
    assert strength.strength_of(tmp_path / "lora") == 1
    strength.change(tmp_path / "lora", 0.5)
    assert json.loads((tmp_path / "lora" / "adapter_config.json").read_text())["lora_alpha"] == 2
    load(base, "cpu", adapter=tmp_path / "lora")


def test_a_program_that_hangs_up_while_it_sends_is_no_error_of_the_server() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [
        (b"host", b"127.0.0.1"),
        (b"content-type", b"multipart/form-data; boundary=x"),
        (b"content-length", b"9"),
    ]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/audio/transcriptions", "raw_path": b"", "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 7870),
        "client": ("127.0.0.1", 1), "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    app = create_app(Engine(load("echo", "cpu")), "127.0.0.1", None)
    with ThreadPoolExecutor(1) as other:  # this thread may have a browser's loop
        other.submit(asyncio.run, app(scope, receive, send)).result()
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_an_adapter_whose_weights_were_cut_off_is_said_not_to_be_whole(
    share: float, base: Path, tmp_path: Path
) -> None:
    adapters.save(adapters.attach(load(base, "cpu"), 2, 4.0, 0.0, "conventions", 0), tmp_path / "lora")
    weights = tmp_path / "lora" / "adapter_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=r"is not whole|is longer than the file"):
        load(base, "cpu", adapter=tmp_path / "lora")


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("preprocessor_config.json", {"sampling_rate": 8000}, "expects 8000 Hz"),
        ("config.json", {"decoder_start_token_id": 1_000_000}, "is no token of its vocabulary"),
    ],
)
def test_a_model_whose_settings_contradict_its_family_is_refused_before_it_is_used(
    name: str, changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    folder = moonshine(tmp_path / "model")
    found = folder / name if (folder / name).is_file() else folder / "processor_config.json"
    settings = json.loads(found.read_text())
    inner = settings.get("feature_extractor", settings)
    inner |= changes
    found.write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=says):
        load(folder, "cpu")
