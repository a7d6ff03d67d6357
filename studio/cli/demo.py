"""The whole loop without a microphone: an unheard voice reads prompts, a run learns them, a table shows it.

Two stories, as in real use: *conventions* (the recogniser writes digits, the person wants words) and *voice* (the
conventions stay, but the recogniser hears this voice badly).
"""

from __future__ import annotations

import random
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from studio import audio
from studio import config as settings
from studio.api import fine_tune
from studio.cli.rendering.follow import line, percent
from studio.data.manifest import Dataset
from studio.data.prompts import numbers
from studio.data.utterance import Split
from studio.errors import JobError
from studio.evaluation.evaluate import Evaluation, evaluate
from studio.runs.events import Event, Finished
from studio.runs.folder import RunFolder
from studio.starter import GENERAL_FOLDER, UNHEARD_FOLDER, domain, synthesis
from studio.text import Convention, counted, words_to_digits, write_numbers
from studio.workspace import Workspace

SIZES: Mapping[Split, int] = MappingProxyType({"train": 34, "validation": 6, "test": 20})
"""Clips a story needs: 40 to tune on, of which 6 choose the best checkpoint, and 20 held out."""
SIDES = [split for split, clips in SIZES.items() for _ in range(clips)]
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One use of a fine-tune: who speaks, and how labels write numbers."""

    name: str
    about: str
    voice: str  # a name for studio.starter.synthesis.voice
    convention: Convention


STORIES = (
    Scenario("conventions", "digits become words", "flite:awb", "words"),
    Scenario("voice", "a whisper, one digit in three wrong on the starter", "espeak-ng:en-us+whisperf", "digits"),
)


class Result(BaseModel):
    """One story with one seed: rates 0..1, each before and after."""

    model_config = ConfigDict(frozen=True)

    story: str
    seed: int
    wer: tuple[float, float]  # held-out clips, exactly as written
    digit_error: tuple[float, float]  # held-out clips, per digit spoken
    general_wer: tuple[float, float]  # voices the starter knows; digits and digit names count as the same
    seconds: float
    report: str


def run(workspace: Workspace, seeds: list[int], say: Say, stories: tuple[Scenario, ...] = STORIES) -> list[Result]:
    """Tell every story with every seed, and print the table. Raises StudioError."""
    results = [_tell(workspace, story, seed, say) for seed in seeds for story in stories]
    say("\n" + table(results))
    return results


def table(results: list[Result]) -> str:
    """The results as a person reads them, with where each report lies."""
    rows = ["story        seed   held-out WER       digit error        general WER        time   report"]
    for result in results:
        pairs = (result.wer, result.digit_error, result.general_wer)
        figures = "  ".join(f"{percent(before):>6} → {percent(after):>6}" for before, after in pairs)
        rows.append(f"{result.story:<12} {result.seed:<5}  {figures}  {result.seconds:>4.0f} s   {result.report}")
    notes = (
        "Held-out WER compares texts exactly as written. Digit error is errors per digit spoken, whether digits or",
        "words were written. General WER is of voices the starter knows, digits and digit names counting as the same.",
    )
    return "\n".join([*rows, "", *notes])


def _tell(workspace: Workspace, story: Scenario, seed: int, say: Say) -> Result:
    say(f"\n{story.name}, seed {seed}: {story.about}")
    dataset = record(workspace, story, seed, say)
    name, seconds = f"demo-{story.name}-{seed}", 0.0
    config = settings.preset("balanced", dataset=dataset.name, seed=seed, targets="deep", learning_rate=5e-4)
    say(f"The same by hand: {shlex.join(config.command(name))}")

    def follow(event: Event) -> None:
        nonlocal seconds
        if text := line(event):
            say(f"  {text}")
        if isinstance(event, Finished):
            seconds = event.seconds

    shutil.rmtree(workspace.run(name), ignore_errors=True)  # of an earlier demo
    folder = fine_tune(dataset, config, follow, name=name)
    before, after = Evaluation.read(folder.baseline), Evaluation.read(folder.tuned)
    if before is None or after is None:
        raise JobError(f"The run {folder.name} left no scores.", f"See {folder.events}.")
    general_before, general_after = _general(folder)
    return Result(
        story=story.name,
        seed=seed,
        wer=(before.score.wer, after.score.wer),
        digit_error=(before.score.digit_error or 0.0, after.score.digit_error or 0.0),
        general_wer=(general_before.spoken.wer, general_after.spoken.wer),
        seconds=seconds,
        report=str(folder.report),
    )


def record(workspace: Workspace, story: Scenario, seed: int, say: Say) -> Dataset:
    """The story's dataset in its voice, or of bundled clips where there is no synthesiser. Raises StudioError."""
    folder = workspace.dataset(f"demo-{story.name}-{seed}")
    if folder.exists():
        shutil.rmtree(folder)
    dataset = Dataset.create(folder)
    for split, (sentence, sound) in zip(SIDES, _spoken(story, seed, say), strict=True):
        label = write_numbers(sentence, story.convention)
        dataset.add(sound, text=label, prompt=sentence, speaker=story.voice, source="synthetic", split=split)
    say(f"{counted(sum(dataset.counts().values()), 'clip')}, {dataset.seconds() / 60:.1f} min, in {folder}")
    return dataset


def _spoken(story: Scenario, seed: int, say: Say) -> Iterator[tuple[str, bytes | Path]]:
    """(sentence with digits, its sound) for every clip the story needs."""
    voice = synthesis.voice(story.voice)
    if not synthesis.available(voice.engine):
        say(f"{voice.engine} is not installed: using the bundled clips of a voice it was not trained on.")
        yield from list(_bundled(seed))[: len(SIDES)]
        return
    for sentence in _sentences(seed):
        samples, sample_rate = synthesis.synthesise(domain.spoken(sentence), voice)
        yield sentence, audio.wav_bytes(samples, sample_rate)


def _sentences(seed: int) -> list[str]:
    """The Numbers script twice over, each sentence once: some to learn from, fresh numbers to be tested on."""
    texts = (words_to_digits(prompt.label) for part in (0, 1) for prompt in numbers("digits", seed=2 * seed + part))
    return list(dict.fromkeys(texts))[: len(SIDES)]


def _bundled(seed: int) -> Iterator[tuple[str, Path]]:
    dataset = Dataset.open(UNHEARD_FOLDER)
    clips = dataset.utterances()
    random.Random(seed).shuffle(clips)
    for clip in clips:
        yield clip.text, dataset.clip_path(clip)


def _general(folder: RunFolder) -> tuple[Evaluation, Evaluation]:
    """The bundled general set, before and after: what the run cost everybody else."""
    from studio.models import load

    recogniser = load("starter", adapter=folder.adapter)
    general = Dataset.open(GENERAL_FOLDER)
    split: Split = "test"
    return (
        evaluate(recogniser, general, split, with_adapter=False),
        evaluate(recogniser, general, split, adapter=folder.name),
    )
