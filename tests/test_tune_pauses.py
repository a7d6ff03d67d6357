"""Pause heads that are trained on a person's clips: they wait until a number is whole, and end the turn after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timed
import tiny_models
from candles import write_candle
from timed import RATE
from tones import folder_of
from verbs import call

from studio.audio import wav_bytes, write_wav
from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.data.utterance import Split, Utterance
from studio.errors import DataError, ModelError
from studio.evaluation.cut_off import hesitating
from studio.inference.cut_offs import measure
from studio.inference.worker.host import ModelHost
from studio.models import Clip, Recogniser, load
from studio.models.adapters import attach, save
from studio.models.kyutai.pauses import HORIZONS, TRAINED, PauseHeads
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.train.pause_heads import paused_at, train
from studio.ui.hearing import ModelSelection
from studio.ui.turn_ends import turn_ends_of
from studio.workspace import Workspace

SIDES: tuple[Split, ...] = ("train", "train", "train", "validation")
STEPS = 90


def followed_by_quiet(clip: Clip) -> Clip:
    """`clip`, and two seconds of the room."""
    quiet = np.random.default_rng(1).standard_normal(2 * RATE).astype(np.float32) * 0.003
    return Clip(np.concatenate([clip.samples, quiet]), clip.text, clip.id, clip.words)


def paused_anywhere(seconds: float, clip: Clip) -> list[float]:
    """What heads say that know nothing of numbers: no word is being said, and none comes within the horizon."""
    words = [times for _, times in clip.words or ()]
    if any(start <= seconds < end for start, end in words):
        return [0.0] * len(HORIZONS)
    following = min((start for start, _ in words if start >= seconds), default=1e9)
    return [float(following - seconds > horizon) for horizon in HORIZONS]


def taught_with_its_heads(recogniser: Recogniser, clips: list[Clip]) -> Any:
    """Teach the network text and pauses together, as its makers did; the heads (heads, classes, width)."""
    import torch

    family: Any = recogniser.family
    base, layout = recogniser.model, family.layout(recogniser.model, recogniser.processor)
    batch = family.collate([family.prepare(base, recogniser.processor, clip) for clip in clips])
    text, is_token = batch["text"], batch["text"] != -100
    heard = is_token[:, 1:].float()
    seconds = [place / layout.frame_rate for place in range(1, text.shape[1])]
    wanted = torch.tensor([[paused_anywhere(at, clip) for at in seconds] for clip in clips])
    heads: Any = torch.zeros(len(HORIZONS), 6, base.config.hidden_size, requires_grad=True)
    optimiser = torch.optim.AdamW([*base.model.parameters(), *base.lm_head.parameters(), heads], lr=3e-3)
    for _ in range(STEPS):
        hidden = family._hidden(base, batch["codes"], text)
        of_text = torch.nn.functional.cross_entropy(base.lm_head(hidden[is_token]).float(), text[is_token])
        logits = PauseHeads(heads).logits(hidden[:, 1:])
        losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(-1)
        (of_text + (losses * heard).sum() / heard.sum()).backward()
        optimiser.step()
        optimiser.zero_grad()
    return heads.detach()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run of a model whose heads take any pause for the end, also within a number."""
    root = tmp_path_factory.mktemp("line")
    recogniser = load(tiny_models.kyutai(root / "random"), "cpu")
    said = [timed.clip(words, seed=seed) for seed, words in enumerate(timed.orders(12))]
    said += [hesitating(clip, RATE, 100) for clip in said]
    said += [timed.clip(words, seed=40 + len(words)) for words in (["please", "hold"], ["hold", "please", "hold"])]
    heads = taught_with_its_heads(recogniser, [followed_by_quiet(clip) for clip in said])
    recogniser.family.save(recogniser.model, recogniser.processor, root / "phone-line")
    write_candle(root / "phone-line", weights=heads)
    run = folder_of(root, "words")
    save(attach(load(root / "phone-line", "cpu"), 2, 4, 0.0, "full", seed=0), run.adapter)
    settings = TrainConfig(dataset="line", model=str(root / "phone-line"))
    RunRecord.of(settings, "words", device="cpu", threads=1, precision="fp32").write(run)
    learnt = [timed.clip(words, seed=seed) for seed, words in enumerate(timed.orders(16))]
    unheard = [timed.clip(words, seed=90 + seed) for seed, words in enumerate(timed.orders(8, seed=5))]
    dataset = Dataset.create(root / "recordings" / "line")
    lines = [line(dataset, clip, f"l{place}", SIDES[place % 4]) for place, clip in enumerate(learnt)]
    lines += [line(dataset, clip, f"t{place}", "test") for place, clip in enumerate(unheard)]
    dataset.manifest.write_text("".join(lines))
    run.manifest.write_text("".join(lines))
    return Workspace(root)


def line(dataset: Dataset, clip: Clip, name: str, split: Split) -> str:
    """Write the sound of `clip`; its line in a manifest."""
    write_wav(dataset.folder / "clips" / f"{name}.wav", clip.samples, RATE)
    seconds, words = len(clip.samples) / RATE, list(clip.words or ())
    path = f"clips/{name}.wav"
    return (
        Utterance(id=name, audio_filepath=path, text=clip.text, duration=seconds, split=split, words=words).to_line()
        + "\n"
    )


def run_of(workspace: Workspace) -> RunFolder:
    return RunFolder(workspace.root / "outputs" / "words")


@pytest.mark.thorough
def test_trained_heads_cut_fewer_held_out_callers_off_and_make_none_wait_longer(workspace: Workspace) -> None:
    run = run_of(workspace)
    untrained = measure(workspace, run, head=0)
    answer = call(workspace.root, "tune-pauses", "words")
    assert answer.code == 0, answer.said
    assert "trained on 12 clips" in answer.said
    trained = measure(workspace, run, head=0)
    assert trained.by == "the pause head for 0.5 s at 0.5, trained for the run"
    assert trained.plain_before == untrained.plain_before  # the base keeps its own
    for kind, (_, was) in untrained.pairs().items():
        _, now = trained.pairs()[kind]
        assert was.rate >= 0.75
        assert now.rate <= was.rate
        assert (now.early or 0.0) < (was.early or 0.0)
        assert now.unended == 0
        assert (now.wait or 0.0) <= 0.2
    assert trained.plain_after.rate <= untrained.plain_after.rate - 0.25


@pytest.mark.thorough
def test_the_test_tab_gets_what_the_heads_said_without_and_with_the_run_and_where_silence_ends_the_turn(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, host = run_of(workspace), ModelHost()

    class Here:
        """The far end of the worker, in this process."""

        def pauses(self, sound: bytes, model: str, adapters: Sequence[Path]) -> list[dict[str, Any]]:
            path = workspace.root / "said.wav"
            path.write_bytes(sound)
            return host.pauses(model, [str(adapter) for adapter in adapters], str(path))

    said = followed_by_quiet(timed.clip(timed.orders(1)[0]))
    model = str(workspace.root / "phone-line")
    found = turn_ends_of(
        Here(), wav_bytes(said.samples, RATE), ModelSelection(model=model, adapters={"words": run.adapter})
    )  # type: ignore[arg-type]
    assert [track.run for track in found.tracks] == ["", "words"]
    recogniser = load(model, "cpu")
    (wanted,) = PauseHeads.of(recogniser).tracks(recogniser, [said], 0.0)
    base = found.tracks[0]
    assert base.seconds == wanted.seconds
    assert np.abs(np.array(base.chances) - np.array(wanted.chances)).max() < 0.05  # the file has 16 bits
    assert found.by_level
    assert said.words
    assert found.by_level[0] == pytest.approx(said.words[-1][1][1] + found.silence, abs=0.1)
    monkeypatch.setattr(Here, "pauses", lambda *_: (_ for _ in ()).throw(ModelError("It has no heads.", "Fetch them.")))
    bare = turn_ends_of(Here(), wav_bytes(said.samples, RATE), ModelSelection(model=model, adapters={}))  # type: ignore[arg-type]
    assert (bare.tracks, bare.note) == ([], "It has no heads. Fetch them.")


@pytest.mark.parametrize(
    ("seconds", "paused"),
    [
        (0.30, [False] * 4),  # while “order” is being said
        (0.45, [False] * 4),  # the next word comes soon
        (1.50, [False] * 4),  # between two digits, however long that lasts
        (4.00, [True] * 4),
        (6.00, [True, True, False, False]),  # 1.2 s before “please”
    ],
)
def test_a_frame_is_a_pause_after_a_number_and_never_within_one(seconds: float, paused: list[bool]) -> None:
    words = [("order", 0.16), ("one", 0.6), ("two", 3.6), ("please", 7.2)]
    clip = Clip(np.zeros(0, np.float32), "", "", [(word, (start, start + 0.24)) for word, start in words])
    assert paused_at(seconds, clip) == paused


@pytest.mark.thorough
def test_heads_of_another_model_and_clips_without_word_times_are_sentences(
    workspace: Workspace, tmp_path: Path
) -> None:
    import torch

    heads = PauseHeads.of(load(workspace.root / "phone-line", "cpu"))
    assert heads.trained(tmp_path) is heads
    PauseHeads(torch.zeros(4, 6, 32)).save(tmp_path)
    with pytest.raises(ModelError, match=f"{TRAINED} are for another model"):
        heads.trained(tmp_path)
    bare = folder_of(tmp_path, "words")
    record = RunRecord.read(run_of(workspace))
    record.write(bare)
    lines = run_of(workspace).manifest.read_text().splitlines()
    clips = [Utterance.model_validate_json(each).model_copy(update={"words": None}) for each in lines]
    bare.manifest.write_text("".join(clip.to_line() + "\n" for clip in clips))
    dataset = Dataset.create(tmp_path / "recordings" / "line")
    dataset.manifest.write_text(bare.manifest.read_text())
    with pytest.raises(DataError, match="No clip of the train or validation split") as refused:
        train(Workspace(tmp_path), bare)
    assert refused.value.remedy == "Time the words first: studio align line"
