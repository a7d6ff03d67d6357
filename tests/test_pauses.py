"""Pauses: the heads' probabilities, where a turn would end, and how often a caller is cut off before and after."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timed
import tiny_models
from candles import CLASSES, HEADS, write_candle
from test_merged import adapter as pretended
from timed import RATE
from tones import folder_of
from verbs import call

from studio.audio.gaps import with_pauses
from studio.audio.turns import turn_ends
from studio.config import TrainConfig
from studio.errors import ConfigError, DataError, ModelError
from studio.evaluation.cut_off import CutOffs, Turn, has_digits, hesitating
from studio.inference.cut_offs import measure
from studio.models import Clip, Recogniser, load
from studio.models.adapters import attach, save, trainable
from studio.models.inference_mode import inference_mode
from studio.models.kyutai.pauses import PauseHeads, PauseTrack
from studio.reports.cut_offs import CutOffReport
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text import DIGIT_NAMES
from studio.workspace import Workspace

PROJECT = Path(__file__).resolve().parent.parent


def teach(recogniser: Recogniser, clips: list[Clip], weights: list[Any], steps: int, rate: float) -> None:
    import torch

    family = recogniser.family
    batch = family.collate([family.prepare(recogniser.model, recogniser.processor, clip) for clip in clips])
    optimiser = torch.optim.AdamW(weights, lr=rate)
    for _ in range(steps):
        total, count = family.loss(recogniser.model, batch)
        (total / count).backward()
        optimiser.step()
        optimiser.zero_grad()


def in_digits(clip: Clip) -> Clip:
    """`clip` as a model that writes digits is taught it."""
    words = [(str(DIGIT_NAMES.index(word)) if word in DIGIT_NAMES else word, times) for word, times in clip.words or ()]
    return Clip(clip.samples, " ".join(word for word, _ in words), clip.id, words)


def spiking(recogniser: Recogniser, clips: list[Clip], at: Sequence[str] = "0123456789") -> Any:
    """Pause heads (heads, classes, width) that take a token `at` that is written for the end of a turn, and no other.

    With digits this is what callers met who read out an order number.
    """
    import torch

    family: Any = recogniser.family
    spikes_at = set(recogniser.processor.tokenizer.convert_tokens_to_ids(list(at)))
    hidden, spikes = [], []
    for clip in clips:
        with inference_mode(recogniser.model):
            given = family.given(recogniser.model, recogniser.processor, clip)
            hidden.append(family._heard(recogniser.model, given)[0, :-1])
        spikes += [token in spikes_at for token in given[0, 1:, 0].tolist()]
    states, wanted = torch.cat(hidden).detach(), torch.tensor([0 if spike else CLASSES - 1 for spike in spikes])
    generator = torch.Generator().manual_seed(0)
    head = torch.zeros(CLASSES, states.shape[1], requires_grad=True)
    optimiser = torch.optim.Adam([head], lr=0.1)
    for _ in range(300):
        near = states + 0.3 * torch.randn(states.shape, generator=generator)  # so that they hold for states nearby
        torch.nn.functional.cross_entropy(near @ head.T, wanted).backward()
        optimiser.step()
        optimiser.zero_grad()
    return head.detach().repeat(HEADS, 1, 1)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A model that writes orders in digits, whose heads spike on them, and a run that taught it to write words.

    It knows the words: whatever follows “please hold” it writes in them.
    """
    root = tmp_path_factory.mktemp("phone")
    dataset = timed.dataset(root)
    recogniser = load(tiny_models.kyutai(root / "random"), "cpu")
    clips = [timed.clip(words, seed=seed) for seed, words in enumerate(timed.orders(10))]
    clips += [hesitating(clip, RATE, 0) for clip in clips[:3]]
    held = [timed.clip(["please", "hold", *words[2:]], seed=50 + seed) for seed, words in enumerate(timed.orders(10))]
    known = [in_digits(clip) for clip in clips] + held
    parts = [*recogniser.model.model.parameters(), *recogniser.model.lm_head.parameters()]
    teach(recogniser, known, parts, 60, 5e-3)
    recogniser.family.save(recogniser.model, recogniser.processor, root / "phone-line")
    write_candle(root / "phone-line", weights=spiking(recogniser, known))
    tuned = attach(load(root / "phone-line", "cpu"), 16, 32, 0.0, "full", seed=0)
    teach(tuned, clips + held, trainable(tuned), 60, 5e-3)
    run = folder_of(root, "words")
    save(tuned, run.adapter)
    settings = TrainConfig(dataset="timed", model=str(root / "phone-line"))
    RunRecord.of(settings, "words", device="cpu", threads=1, precision="fp32").write(run)
    held_out = [clip.model_copy(update={"split": "test"}) for clip in dataset.utterances()]
    run.manifest.write_text("".join(clip.to_line() + "\n" for clip in held_out))
    return Workspace(root)


def run_of(workspace: Workspace) -> RunFolder:
    return RunFolder(workspace.root / "outputs" / "words")


@pytest.mark.thorough
def test_a_caller_is_cut_off_by_heads_that_spike_on_digits_and_no_longer_once_it_writes_words(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.inference.cut_offs.AFTER", 0.5)
    report = measure(workspace, run_of(workspace))
    for before, after in report.pairs().values():
        assert len(before.turns) == 10
        assert before.rate >= 0.8
        assert before.early is not None
        assert before.early > 0.2
        assert after.rate <= 0.2
        assert after.unended >= 8  # these heads know nothing but digits
        change = before.change_to(after)
        assert (change.verdict, change.high < 0) == ("better", True)
    assert report.by == "the pause head for 2 s at 0.5"
    assert CutOffReport.read(run_of(workspace)) == report


@pytest.mark.thorough
def test_the_figures_come_with_the_interval_of_the_change(workspace: Workspace) -> None:
    measured = CutOffReport.read(run_of(workspace)) or measure(workspace, run_of(workspace))
    assert re.search(r"before: (100|90|80)\.0 % of 10 clips cut off", measured.as_text())
    assert re.search(r"better: -(100|90|80|70|60) points \(-\d+ to -\d+ points\)", measured.as_text())


@pytest.mark.thorough
def test_the_heads_say_what_a_plain_softmax_says_at_every_frame(workspace: Workspace) -> None:
    import torch

    recogniser = load(workspace.root / "phone-line", "cpu")
    heads, clip = PauseHeads.of(recogniser), timed.clip(timed.orders(1)[0])
    (track,) = heads.tracks(recogniser, [clip], 0.0)
    family: Any = recogniser.family
    codes = family.features(recogniser.model, recogniser.processor, clip)["codes"].long()
    listened = family.listen(recogniser.model, recogniser.processor)
    with inference_mode(recogniser.model):
        listened.hear(clip.samples)
        text = torch.tensor(listened.written.ids)[None]
        hidden = family._hidden(recogniser.model, codes[None, : text.shape[1]], text)[0]
    plain = torch.stack([(hidden @ head.T).softmax(-1)[:, 0] for head in heads.weight], dim=-1)
    assert len(track.chances) == len(track.seconds) == int(len(clip.samples) / RATE * 12.5)
    assert np.abs(np.array(track.chances) - plain[1:].numpy()).max() < 1e-4
    assert track.seconds[0] == 0.08


def test_a_turn_ends_once_a_word_came_in_and_the_head_passes_the_threshold() -> None:
    track = PauseTrack([0.08, 0.16, 0.24, 0.32], [[0.9, 0.1], [0.2, 0.1], [0.4, 0.1], [0.7, 0.8]], first_word=0.16)
    assert track.ended(0, 0.5) == 0.32  # not at 0.08, before the first word
    assert track.ended(0, 0.3) == 0.24
    assert track.ended(1, 0.9) is None
    assert PauseTrack([0.08], [[0.9]], first_word=None).ended(0, 0.5) is None


def test_cut_offs_are_counted_with_how_early_and_how_long_one_waits() -> None:
    turns = [("a", 2.0, 1.5), ("b", 2.0, 1.1), ("c", 2.0, 2.6), ("d", 2.0, None)]
    found = CutOffs(turns=[Turn(clip=clip, last_word=last, ended=ended) for clip, last, ended in turns])
    assert (found.rate, found.early, found.wait, found.unended) == (0.5, pytest.approx(0.7), pytest.approx(0.6), 1)
    text = "50.0 % of 4 clips cut off, 0.7 s early, else ended 0.6 s after the last word, 1 never ended"
    assert found.as_text() == text
    many = CutOffs(turns=[Turn(clip=f"{place}", last_word=2.0, ended=1.0) for place in range(12)])
    fewer = CutOffs(turns=[Turn(clip=f"{place}", last_word=2.0, ended=1.0 + 2 * (place > 1)) for place in range(12)])
    change = many.change_to(fewer)
    assert (change.verdict, change.before, round(change.after, 3)) == ("better", 1.0, 0.167)
    assert change.low <= change.change <= change.high < 0


@pytest.mark.parametrize(
    ("text", "has"),
    [("order 129", True), ("One, two", True), ("cinq minutes", True), ("someone phoned", False), ("hold on", False)],
)
def test_numbers_are_found_in_labels_however_they_are_written(text: str, has: bool) -> None:
    assert has_digits(text) == has


def test_pauses_are_put_between_digits_and_all_times_move_along() -> None:
    clip = timed.clip(["order", "one", "two", "hold"])
    slow = hesitating(clip, RATE, 1)
    assert clip.words
    assert slow.words
    added = (len(slow.samples) - len(clip.samples)) / RATE
    assert 0.4 <= added <= 1.5
    moved = [now[1][0] - was[1][0] for was, now in zip(clip.words, slow.words, strict=True)]
    assert moved == pytest.approx([0, 0, added, added], abs=1e-3)
    for (_, (start, end)), (_, (now, _)) in zip(clip.words, slow.words, strict=True):
        word = clip.samples[int(start * RATE) + 400 : int(end * RATE) - 400]
        there = slow.samples[int(now * RATE) + 400 :][: len(word) + 4]
        assert min(np.abs(there[shift:][: len(word)] - word).max() for shift in range(5)) < 1e-6
    pause = slow.samples[int((slow.words[1][1][1] + 0.1) * RATE) : int((slow.words[2][1][0] - 0.1) * RATE)]
    assert 0 < np.abs(pause).max() < 0.02  # the recording's own quiet, not digital silence
    assert hesitating(clip, RATE, 1).words == slow.words
    assert hesitating(clip, RATE, 2).words != slow.words


def test_a_clip_with_words_that_touch_takes_a_pause_too() -> None:
    words = [("1", (0.1, 0.3)), ("2", (0.3, 0.5))]
    samples, times = with_pauses(timed.sound(words), RATE, words, {0: 0.5})
    assert times == [("1", (0.1, 0.3)), ("2", (0.8, 1.0))]
    assert len(samples) == pytest.approx((0.66 + 0.5) * RATE, abs=3)


def spoken(pauses: list[float], seed: int) -> Any:
    """Tones of 0.5 s with `pauses` after each, in a room."""
    rng = np.random.default_rng(seed)
    pieces = [np.zeros(int(0.6 * 16_000))]
    for pause in pauses:
        pieces += [0.2 * np.sin(np.arange(8_000) * 0.3), np.zeros(int(pause * 16_000))]
    samples = np.concatenate(pieces)
    return (samples + rng.standard_normal(len(samples)) * 0.001).astype(np.float32)


def test_without_pause_heads_the_pages_own_detector_ends_turns_at_the_same_blocks() -> None:
    deno = shutil.which("deno", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if deno is None:
        pytest.skip("no deno on this machine: install the extra `test`")
    sounds = [spoken(pauses, seed) for seed, pauses in enumerate([[0.5, 1.2, 3.0], [2.0, 0.7, 0.9, 4.0], [6.5, 1.0]])]
    script = """
        const { Loudness, Turns } = await import("./studio/ui/assets/listen/turns.js");
        for (const text of JSON.parse(await new Response(Deno.stdin.readable).text())) {
            const wave = new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
            const [loudness, turns] = [new Loudness(16000), new Turns({ silence: 0.8, sensitivity: 3, longest: 60 })];
            const [found, block] = [[], Math.round(1024 / 48000 * 16000)];
            for (let at = 0; at + block <= wave.length; at += block) {
                const event = turns.hear(loudness.of(wave.subarray(at, at + block)), block / 16000);
                if (event === "end") found.push((at + block) / 16000);
            }
            console.log(JSON.stringify(found));
        }"""
    asked = json.dumps([base64.b64encode(sound.tobytes()).decode() for sound in sounds])
    quiet = {"DENO_DIR": str(PROJECT / ".cache" / "deno"), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
    answer = subprocess.run(
        [deno, "eval", "--config", ".deno.jsonc", script], input=asked, cwd=PROJECT, env=os.environ | quiet,
        capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    pages = [json.loads(line) for line in answer.stdout.splitlines()]
    ours = [list(turn_ends(sound, 16_000)) for sound in sounds]
    assert [len(ends) for ends in ours] == [2, 3, 2]
    for one, other in zip(ours, pages, strict=True):
        assert one == pytest.approx(other)


def moonshine_run(root: Path, *, words: bool = True) -> RunFolder:
    dataset = timed.dataset(root)
    clips = dataset.utterances()
    run = folder_of(root, "words")
    pretended(run.adapter, tiny_models.moonshine(root / "base"), "full")
    settings = TrainConfig(dataset="timed", model=str(root / "base"))
    RunRecord.of(settings, "words", device="cpu", threads=1, precision="fp32").write(run)
    kept = clips if words else [clip.model_copy(update={"words": None}) for clip in clips]
    run.manifest.write_text("".join(clip.to_line() + "\n" for clip in kept))
    if not words:
        (dataset.folder / "manifest.jsonl").write_text("".join(clip.to_line() + "\n" for clip in kept))
    return run


@pytest.mark.thorough
def test_a_model_without_pause_heads_is_measured_by_the_hands_free_detector(tmp_path: Path) -> None:
    run = moonshine_run(tmp_path)
    report = measure(Workspace(tmp_path), run)
    assert report.by.startswith("the page's hands-free detector")
    assert report.plain_before == report.plain_after  # it hears levels alone
    assert report.plain_after.rate == 0
    assert report.hesitating_after.rate == 1  # of two clips, with pauses of more than 0.8 s
    answer = call(tmp_path, "cut-offs", "words")
    assert answer.code == 1  # the report needs the scores of the whole run, which this one has not
    assert "was not scored before and after" in answer.said


@pytest.mark.thorough
def test_clips_without_word_times_and_models_without_heads_are_sentences(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="both a number in its label and word times") as refused:
        measure(Workspace(tmp_path), moonshine_run(tmp_path, words=False))
    assert refused.value.remedy == "Time the words first: studio align timed"
    with pytest.raises(ConfigError, match="There is no pause head 7: this model has 4"):
        measure(workspace, run_of(workspace), head=7)
    bare = tiny_models.kyutai(tmp_path / "bare")
    with pytest.raises(ModelError, match="no copy for its makers' servers"):
        PauseHeads.of(load(bare, "cpu"))
    write_candle(bare, heads=0)
    with pytest.raises(ModelError, match=r"Pauses are unavailable: .* has no pause heads"):
        PauseHeads.of(load(bare, "cpu"))
    with pytest.raises(ModelError, match="Only Kyutai's models"):
        PauseHeads.of(load("echo", "cpu"))
