"""Every format comes back as it went out, and other programs read it as it is."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import soundfile
from speech_data import dataset_in

from studio.audio import read
from studio.audio.recording import fingerprint
from studio.data import formats
from studio.data.formats.archive import unpack
from studio.data.formats.base import ImportRow, ReadOptions
from studio.data.import_export.exporting import export_data
from studio.data.manifest import Dataset, Utterance

ALL = ("speaker", "split", "prompt", "session", "words", "lang")
TABLE = ("speaker", "split", "prompt", "session", "words")
HOLDS: dict[str, tuple[str, ...]] = {
    "pairs": ("split",),
    "csv": TABLE,
    "nemo": ALL,
    "audiofolder": TABLE,
    "audiofolder-jsonl": ALL,
    "parquet": TABLE,
    "ljspeech": (),
    "common-voice": ("speaker", "split"),
    "speech-to-text-finetune": (),
    "moshi-finetune": ALL,
    "lhotse": ALL,
    "kaldi": ("speaker", "split"),
    "label-studio": ("speaker", "split", "prompt", "session", "lang"),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset_in(tmp_path_factory.mktemp("recordings") / "voice")


@pytest.fixture(scope="module")
def exported(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The dataset in every format."""
    folder = tmp_path_factory.mktemp("exports")
    return {name: Path(export_data(dataset, name, folder / name).path) for name in formats.FORMATS}


def rows_of(path: Path, tmp_path: Path) -> list[ImportRow]:
    if path.suffix == ".zip":
        assert unpack(path, tmp_path / "unpacked") == []
        path = tmp_path / "unpacked"
    found = list(formats.recognise(path).rows(path, ReadOptions()))
    assert all(isinstance(row, ImportRow) for row in found), found
    return [row for row in found if isinstance(row, ImportRow)]


def samples_of(row: ImportRow) -> str:
    return fingerprint(read(row.audio, offset=row.start, duration=row.duration))


def value_of(row: ImportRow, name: str) -> Any:
    return row.extra.get(name) if name == "lang" else getattr(row, name)


def wanted(clip: Utterance, name: str) -> Any:
    return (clip.model_extra or {}).get(name, getattr(clip, name, None))


def test_every_format_has_a_round_trip() -> None:
    assert HOLDS.keys() == formats.FORMATS.keys()


@pytest.mark.parametrize("name", formats.FORMATS)
def test_what_goes_out_is_recognised_and_comes_back(
    name: str, dataset: Dataset, exported: dict[str, Path], tmp_path: Path
) -> None:
    rows = {samples_of(row): row for row in rows_of(exported[name], tmp_path)}
    clips = {fingerprint(read(dataset.clip_path(clip))): clip for clip in dataset.utterances()}
    assert rows.keys() == clips.keys()
    for samples, clip in clips.items():
        assert rows[samples].text == clip.text
        for field in HOLDS[name]:
            assert value_of(rows[samples], field) == wanted(clip, field), (name, field)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_an_export_is_recognised_as_its_own_format(name: str, exported: dict[str, Path]) -> None:
    if name != "pairs":
        assert formats.recognise(exported[name]).name == name


@pytest.mark.parametrize("name", ["nemo", "csv", "audiofolder", "common-voice", "lhotse", "kaldi", "label-studio"])
def test_a_moved_export_still_finds_its_sound(name: str, exported: dict[str, Path], tmp_path: Path) -> None:
    moved = exported[name].rename(tmp_path / "elsewhere")
    try:
        assert len(rows_of(moved, tmp_path)) == 6
    finally:
        moved.rename(exported[name])


def rows_in(loaded: Any) -> list[dict[str, Any]]:
    return list(loaded.remove_columns("audio"))


def columns(loaded: Any) -> list[tuple[str, str]]:
    """Label and speaker of each row, and its sound decoded: `datasets` itself would need torchcodec for that."""
    found = []
    for row in loaded:
        sound = row["audio"]
        samples, _ = soundfile.read(io.BytesIO(sound["bytes"]) if sound["bytes"] else sound["path"])
        assert len(samples) > 3000
        found.append((row["text"], row["speaker"]))
    return found


@pytest.fixture
def without_codec(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`datasets` imports torchcodec, an optional part, even where it decodes nothing.

    What files it leaves open are closed here: a later test would be blamed for them.
    """
    import datasets  # noqa: F401  # before: it looks for the real one

    for name in ("torchcodec", "torchcodec.encoders", "torchcodec.decoders"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["torchcodec.encoders"], "AudioEncoder", object, raising=False)
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("without_codec")
@pytest.mark.parametrize("name", ["audiofolder", "audiofolder-jsonl", "parquet"])
def test_hugging_face_datasets_loads_it_with_its_splits(
    name: str, dataset: Dataset, exported: dict[str, Path], tmp_path: Path
) -> None:
    from datasets import Audio, load_dataset

    loaded = load_dataset(str(exported[name]), cache_dir=str(tmp_path))
    for split in ("train", "validation", "test"):
        assert isinstance(loaded[split].features["audio"], Audio)
        rows = columns(loaded[split].cast_column("audio", Audio(decode=False)))
        assert rows == [(clip.text, clip.speaker) for clip in dataset.utterances() if clip.split == split]
    if name != "audiofolder":
        assert [word["word"] for word in rows_in(loaded["test"])[0]["words"]] == ["yes"]


@pytest.mark.filterwarnings("ignore")
def test_lhotse_reads_cuts_and_kaldi_folders_with_their_sound(dataset: Dataset, exported: dict[str, Path]) -> None:
    from lhotse import CutSet
    from lhotse.kaldi import load_kaldi_data_dir

    train = [clip for clip in dataset.utterances() if clip.split == "train"]
    cuts = list(CutSet.from_file(exported["lhotse"] / "cuts_train.jsonl.gz"))
    assert [cut.supervisions[0].text for cut in cuts] == [clip.text for clip in train]
    assert [item.symbol for item in cuts[0].supervisions[0].alignment["word"]] == train[0].text.split()
    for cut, clip in zip(cuts, train, strict=True):
        assert cut.load_audio().shape == (1, len(read(dataset.clip_path(clip)).samples))
    recordings, supervisions, _ = load_kaldi_data_dir(exported["kaldi"] / "train", sampling_rate=16_000)
    assert {said.text: said.speaker for said in supervisions} == {clip.text: clip.speaker for clip in train}
    assert all(len(recording.load_audio()) for recording in recordings if recording.sampling_rate == 16_000)


def test_lists_of_a_kaldi_folder_are_sorted_by_their_bytes(exported: dict[str, Path]) -> None:
    for path in exported["kaldi"].glob("*/*"):
        if path.is_file():
            names = [line.split(b" ")[0] for line in path.read_bytes().splitlines()]
            assert names == sorted(names)


def test_speech_to_text_finetune_joins_lines_and_sounds_by_their_order(exported: dict[str, Path]) -> None:
    folder = exported["speech-to-text-finetune"]
    sounds = sorted(path.name for path in folder.glob("*.wav"))
    indices = [line.split(",")[0] for line in (folder / "text.csv").read_text().splitlines()[1:]]
    assert [int(name[4:-4]) for name in sounds] == [int(index) for index in indices]


def test_moshi_finetune_has_the_words_of_its_main_speaker_beside_each_sound(exported: dict[str, Path]) -> None:
    folder = exported["moshi-finetune"]
    for line in (folder / "train.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert soundfile.info(folder / row["path"]).duration == pytest.approx(row["duration"], abs=1e-3)
        words = json.loads((folder / row["path"]).with_suffix(".json").read_text(encoding="utf-8"))["alignments"]
        assert all(len(word) == 3 and len(word[1]) == 2 and word[2] == "SPEAKER_MAIN" for word in words)


def test_real_speech_is_recognised_with_its_speakers_and_splits(speech_folder: Path) -> None:
    chosen = formats.recognise(speech_folder)
    assert chosen.name == "audiofolder-jsonl"
    rows = [row for row in chosen.rows(speech_folder, ReadOptions()) if isinstance(row, ImportRow)]
    lines = (speech_folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(row.text, row.speaker, row.split) for row in rows] == [
        (" ".join(said["text"].split()), said["speaker"], said["split"]) for said in map(json.loads, lines)
    ]


GROWTH = """
import resource, sys
from collections.abc import Iterator
from pathlib import Path
from studio.data import formats
from studio.data.formats.base import ReadOptions, Target
from studio.data.formats.clip import ExportClip
from studio.data.utterance import Utterance
name, count, out, sound = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
from studio.data.formats import files
files.place.__code__ = (lambda clip, folder, name, wav=False: "c.wav").__code__  # what is measured are the lists
chosen = formats.find(name)
row = dict(audio_filepath="c.wav", text="order one two nine", duration=0.2, split="train", speaker="ada")
clips = (ExportClip(Utterance(id=f"c{n}", **row), sound) for n in range(count))
out.mkdir()
chosen.write(clips, Target(out, out.name, out))
(out / "audio").mkdir(exist_ok=True)
seen = sum(1 for _ in chosen.rows(out, ReadOptions()))
print(seen, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("name", ["nemo"])
def test_memory_stays_flat_however_long_a_list_is(name: str, dataset: Dataset, tmp_path: Path) -> None:
    peak = {}
    for count in (200, 20_000):
        words = [sys.executable, "-c", GROWTH, name, str(count), str(tmp_path / str(count))]
        sound = str(dataset.clip_path(dataset.utterances()[0]))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([*words, sound], capture_output=True, text=True, check=True, env=environment)
        seen, peak[count] = map(int, done.stdout.split())
        assert seen == count
    assert peak[20_000] - peak[200] < 12_000  # kB
