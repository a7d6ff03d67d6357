"""Word times: put to labels by a Whisper or roughly, true to the label ever after, and served to other programs."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tiny_models
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from sounds import recording, saved
from typer.testing import CliRunner
from word_clips import TimedClip, connected_digits, joined_digits, spoken_sentences

from studio import cli
from studio.audio import wav_bytes, write_wav
from studio.data import formats, word_times
from studio.data.formats import ImportRow, ReadOptions
from studio.data.import_export.exporting import export_data
from studio.data.import_export.importing import import_data
from studio.data.labels.proposals import apply
from studio.data.manifest import Dataset, Utterance
from studio.errors import ConflictError, DataError, ModelError, StudioError
from studio.inference.alignment import aligner, job
from studio.inference.alignment.aligning import RATE, align
from studio.inference.alignment.recordings import timed as timed_recording
from studio.inference.label_offers import Request, offer
from studio.inference.longform.transcript import Segment
from studio.inference.transcribe import transcribe, transcribe_list
from studio.models import Clip, Recogniser, load
from studio.models.attention import alignment_heads, cross_attention
from studio.serve.app import create_app
from studio.serve.engine import Engine
from studio.starter.synthesis import available
from studio.text.label_words import label_words

if TYPE_CHECKING:
    import openai

TEXT = "order one two nine"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def whisper(folder: Path) -> Recogniser:
    return load(folder, "cpu")


@pytest.fixture(scope="session")
def real_whisper() -> Recogniser:
    """The real Whisper base; never part of the project."""
    named = os.environ.get("STUDIO_WHISPER", "")
    if not named:
        pytest.skip("a real Whisper is absent: set STUDIO_WHISPER to the folder of Whisper base")
    return load(Path(named), "cpu")


def bursts(*lengths: float, pause: float = 0.3) -> tuple[NDArray[np.float32], list[float]]:
    """Noise for so many seconds each, between pauses, at RATE; and where each begins."""
    generator = np.random.default_rng(3)
    parts, starts = [np.zeros(round(pause * RATE))], []
    for length in lengths:
        starts.append(sum(map(len, parts)) / RATE)
        parts += [generator.normal(0, 0.1, round(length * RATE)), np.zeros(round(pause * RATE))]
    samples = np.concatenate(parts)
    return (samples + generator.normal(0, 1e-4, len(samples))).astype(np.float32), starts


def four_words(tmp_path: Path, text: str = TEXT, clips: int = 3) -> Dataset:
    """Clips of as many bursts as there are words, whose labels have no times yet."""
    dataset = Dataset.create(tmp_path / "recordings" / "mine")
    for number in range(clips):
        samples, _ = bursts(0.4, 0.2, 0.2, 0.3 + number / 50)
        dataset.add(wav_bytes(samples, RATE), text=text, split="train")
    return dataset


def errors(recogniser: Recogniser | None, clips: list[TimedClip]) -> NDArray[np.float64]:
    """Milliseconds between where a word starts and where it was put."""
    found = [(clip, align(recogniser, clip.samples, clip.text)) for clip in clips]
    return np.array([
        abs(times[0] - start) * 1000
        for clip, words in found
        for (_, times), start in zip(words, clip.starts, strict=True)
        if start is not None
    ])  # fmt: skip


# The alignment


def test_words_of_a_label_keep_their_punctuation_and_marks_alone_belong_to_the_word_before() -> None:
    assert label_words("Hello, world!") == ["Hello,", "world!"]
    assert label_words("yes – no") == ["yes –", "no"]
    assert label_words("“ yes") == ["“ yes"]
    assert label_words("来て it") == ["来", "て", "it"]
    assert label_words("… –") == []


def test_without_a_model_words_are_laid_on_what_is_loud(tmp_path: Path) -> None:
    samples, starts = bursts(0.4, 0.2, 0.2, 0.3)
    found = align(None, samples, TEXT)
    assert [word for word, _ in found] == TEXT.split()
    assert [times[0] for _, times in found] == pytest.approx(starts, abs=0.03)


def test_a_number_in_digits_reaches_over_all_that_is_said_of_it() -> None:
    samples, starts = bursts(0.4, 0.25, 0.25, 0.25, pause=0.4)
    found = dict(align(None, samples, "order 129"))
    assert found["order"][0] == pytest.approx(starts[0], abs=0.03)
    assert found["129"] == pytest.approx((starts[1], starts[3] + 0.25), abs=0.05)


@pytest.mark.parametrize("text", ["a", "one two", "one two nine " * 12])
def test_words_never_cross_nor_leave_the_clip(whisper: Recogniser, text: str) -> None:
    samples = tiny_models.noise(1.3, 5)
    for recogniser in (None, whisper):
        found = align(recogniser, samples, text)
        assert [word for word, _ in found] == text.split()
        times = [moment for _, pair in found for moment in pair]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= 1.3
        assert all(end > start for _, (start, end) in found)


def test_a_clip_too_short_for_its_words_is_a_sentence(whisper: Recogniser) -> None:
    for recogniser in (None, whisper):
        with pytest.raises(DataError, match="too short for its label of 300 words"):
            align(recogniser, tiny_models.noise(1.0), "no " * 300)
    with pytest.raises(DataError, match="30 s at most"):
        align(whisper, tiny_models.noise(31.0), "no")


def test_attention_is_the_models_own_over_the_frames_of_the_clip(whisper: Recogniser) -> None:
    """As transformers computes it, eagerly, where the clip fills the 30 s."""
    import torch
    from transformers import WhisperForConditionalGeneration

    clip = Clip(tiny_models.noise(30.0))
    family, model = whisper.family, whisper.model
    tokens = family.tokens(model, whisper.processor, TEXT)  # type: ignore[attr-defined]
    found = cross_attention(family, model, whisper.processor, clip, tokens)  # type: ignore[arg-type]
    assert found.step == pytest.approx(0.02)
    eager = WhisperForConditionalGeneration.from_pretrained(whisper.folder, attn_implementation="eager").eval()
    prompt = family.prompt(model)  # type: ignore[attr-defined]
    features = whisper.processor.feature_extractor(clip.samples, sampling_rate=16_000, return_tensors="pt")
    ids = torch.tensor([[*prompt, *tokens]])
    with torch.no_grad():
        theirs = eager(**features, decoder_input_ids=ids, output_attentions=True).cross_attentions
    wanted = torch.stack([theirs[layer][0, head] for layer, head in alignment_heads(model)])[:, len(prompt) - 1 :]
    assert found.weights == pytest.approx(wanted.numpy(), abs=1e-4)


def test_the_heads_are_those_that_the_model_lists_else_those_of_the_later_layers(whisper: Recogniser) -> None:
    assert alignment_heads(whisper.model) == [(1, head) for head in range(4)]
    whisper.model.generation_config.alignment_heads = [[0, 3], [1, 2], [7, 0]]
    try:
        assert alignment_heads(whisper.model) == [(0, 3), (1, 2)]  # it has two layers
    finally:
        whisper.model.generation_config.alignment_heads = None


def test_a_short_clip_is_seen_without_the_silence_that_follows_it(whisper: Recogniser) -> None:
    clip = Clip(tiny_models.noise(1.0))
    tokens = whisper.family.tokens(whisper.model, whisper.processor, TEXT)  # type: ignore[attr-defined]
    found = cross_attention(whisper.family, whisper.model, whisper.processor, clip, tokens)  # type: ignore[arg-type]
    assert found.weights.shape == (4, len(tokens) + 1, 50)
    assert found.weights.sum(-1) == pytest.approx(np.ones((4, len(tokens) + 1)), abs=1e-4)


def test_what_a_whisper_wrote_gets_its_times_too(whisper: Recogniser) -> None:
    clip = Clip(tiny_models.noise(2.0, 1))
    (heard,) = transcribe(whisper, [clip])
    assert [word for word, _ in align(whisper, clip.samples, heard.text)] == label_words(heard.text)


def test_without_a_model_joined_digits_are_found_within_the_bars(speech_folder: Path) -> None:
    away = errors(None, joined_digits(speech_folder, 12, seed=11))
    assert np.median(away) <= 60
    assert np.percentile(away, 95) <= 200


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_whisper_base_finds_word_starts_within_the_bars(real_whisper: Recogniser, speech_folder: Path) -> None:
    sets = [joined_digits(speech_folder, 5, seed=11), list(connected_digits(speech_folder, 5))]
    sets += [spoken_sentences(5, seed=11)] if available("espeak-ng") else []
    for clips in sets:
        away = errors(real_whisper, clips)
        assert np.median(away) <= 60
        assert np.percentile(away, 95) <= 200


def test_transcribing_gives_word_times_where_they_are_asked_for(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "clip.wav"
    write_wav(path, tiny_models.noise(2.0, 1), RATE)
    plain = transcribe_list([path], model=str(folder))["clips"][0]
    (found,) = transcribe_list([path], model=str(folder), words=True)["clips"]
    assert plain["word_times"] is None
    assert found["text"] == plain["text"]
    assert [word for word, _ in found["word_times"]] == label_words(found["text"])


# What becomes of the times


def timed(clip: Utterance, *words: str) -> list[tuple[str, tuple[float, float]]]:
    """`words`, a tenth of a second each."""
    return [(word, (place / 10, (place + 1) / 10)) for place, word in enumerate(words)]


def test_a_changed_label_loses_its_times_unless_it_says_the_same_words(tmp_path: Path) -> None:
    dataset = four_words(tmp_path)
    first, second, third = dataset.utterances()
    for clip in (first, second, third):
        dataset.edit(clip.id, words=timed(clip, *TEXT.split()), words_from="some-model")
    same = dataset.edit(first.id, text="Order, one two NINE.")
    assert [word for word, _ in same.words or []] == ["Order,", "one", "two", "NINE."]
    assert same.words_from == "some-model"
    other = dataset.edit(second.id, text="order one two five")
    assert (other.words, other.words_from) == (None, "")
    dataset.undo()
    assert dataset.get(second.id).words == timed(second, *TEXT.split())
    assert dataset.get(second.id).words_from == "some-model"
    assert dataset.edit(third.id, speaker="ann").words == timed(third, *TEXT.split())


def test_numbers_rewritten_as_words_never_keep_the_times_of_their_digits(tmp_path: Path) -> None:
    dataset = four_words(tmp_path, "order 129", clips=2)
    first, second = dataset.utterances()
    dataset.edit(first.id, words=timed(first, "order", "129"))
    offered = offer(dataset, dataset.utterances(), Request(kind="numbers"))
    assert offered.untimed == 1  # the other has no times
    apply(dataset, offered.proposals, "Numbers as words")
    assert dataset.get(first.id).text == "order one two nine"
    assert dataset.get(first.id).words is None
    assert dataset.problems() == []
    assert [clip.id for clip in job.waiting(dataset.utterances())] == [first.id, second.id]


def test_times_that_cannot_be_are_refused_with_the_word_and_what_to_do(tmp_path: Path) -> None:
    (clip, *_) = (dataset := four_words(tmp_path)).utterances()
    wrong: list[tuple[list[tuple[str, tuple[float, float]]], str]] = [
        (timed(clip, "order", "one", "two"), "The timed words are “order one two”; the label is “order one two nine”"),
        ([(word, (0.5, 0.2)) for word in TEXT.split()], "“order” ends before it starts"),
        ([(word, (float("nan"), 0.2)) for word in TEXT.split()], "“order” ends before it starts, or has no time"),
        ([(word, (0.0, 1.0)) for word in TEXT.split()], "“one” starts before “order” has ended"),
        ([(word, (float(place), place + 1.0)) for place, word in enumerate(TEXT.split())], "ends at 4.00 s; the clip"),
    ]
    for words, said in wrong:
        with pytest.raises(DataError, match=said) as refused:
            dataset.edit(clip.id, words=words)
        assert "align the words again" in str(refused.value)
    assert dataset.history() == []


def test_what_rounding_makes_of_times_is_put_right() -> None:
    words = [("order", (-0.0, 0.52)), ("nine", (0.5, 1.05))]
    assert word_times.checked(words, "order nine", 1.0) == [("order", (0.0, 0.5)), ("nine", (0.5, 1.0))]


def test_times_that_do_not_fit_any_more_are_passed_over_and_named_by_check(tmp_path: Path) -> None:
    dataset = four_words(tmp_path)
    (clip, *_) = dataset.utterances()
    dataset.edit(clip.id, words=timed(clip, *TEXT.split()))
    lines = dataset.manifest.read_text().replace('"text":"order one two nine"', '"text":"order one"', 1)
    dataset.manifest.write_text(lines)  # by another program
    (problem,) = dataset.problems()
    assert problem.startswith(f"{clip.audio_filepath}: The timed words are “order one two nine”; the label is “order")
    assert "studio align mine" in problem
    assert word_times.timed(dataset.get(clip.id)) is None
    assert dataset.get(clip.id) in job.waiting(dataset.utterances())


# Import and export


@pytest.mark.parametrize("format", ["moshi-finetune", "lhotse"])
def test_aligned_words_survive_the_formats_that_hold_them(tmp_path: Path, format: str) -> None:
    dataset = four_words(tmp_path)
    job.align_clips(None, dataset, dataset.utterances(), lambda done, total: None)
    export_data(dataset, format, tmp_path / "out")
    found = formats.recognise(tmp_path / "out").rows(tmp_path / "out", ReadOptions())
    words = sorted(str(row.words) for row in found if isinstance(row, ImportRow))
    assert words == sorted(str(clip.words) for clip in dataset.utterances())


def moshi(folder: Path, alignments: list[Any], text: str | None = None, seconds: float = 2.0) -> Path:
    """A dataset of moshi-finetune with one clip."""
    saved(folder / "processed" / "a.wav", recording(1, seconds))
    content = {"alignments": alignments} | ({"text": text} if text else {})
    (folder / "processed" / "a.json").write_text(json.dumps(content))
    (folder / "train.jsonl").write_text(json.dumps({"path": "processed/a.wav", "duration": seconds}) + "\n")
    return folder


def taken_in(tmp_path: Path, source: Path) -> tuple[Dataset, Any]:
    from studio.data.formats.plan import ImportPlan

    dataset = Dataset(tmp_path / "recordings" / "new")
    report = import_data(dataset, ImportPlan([source]))
    return dataset, report


def test_an_entry_of_several_words_becomes_one_per_word(tmp_path: Path) -> None:
    source = moshi(
        tmp_path / "seed", [["order", [0.1, 0.4], "SPEAKER_MAIN"], ["one two nine", [0.5, 1.6], "SPEAKER_MAIN"]]
    )
    dataset, report = taken_in(tmp_path, source)
    assert report.skipped == 0
    (clip,) = dataset.utterances()
    assert clip.text == TEXT
    assert clip.words is not None
    assert [word for word, _ in clip.words] == TEXT.split()
    assert clip.words[1][1][0] == 0.5
    assert clip.words[-1][1][1] == 1.6
    assert all(one[1][1] == other[1][0] for one, other in pairwise(clip.words[1:]))


@pytest.mark.parametrize(
    ("alignments", "text", "said"),
    [
        (
            [["order", [0.1, 0.4], "SPEAKER_MAIN"]],
            "order nine",
            "The timed words are “order”; the label is “order nine”",
        ),
        (
            [["order", [0.1, 0.4], "SPEAKER_MAIN"], ["nine", [0.5, 9.0], "SPEAKER_MAIN"]],
            None,
            "ends at 9.00 s; the clip",
        ),
        ([["order", [0.1, 0.9], "SPEAKER_MAIN"], ["nine", [0.2, 1.0], "SPEAKER_MAIN"]], None, "“nine” starts before"),
    ],
)
def test_words_that_do_not_fit_are_left_out_with_file_reason_and_remedy(
    tmp_path: Path, alignments: list[Any], text: str | None, said: str
) -> None:
    source = moshi(tmp_path / "seed", alignments, text)
    dataset, report = taken_in(tmp_path, source)
    assert report.added == 0
    ((name, reason),) = report.listed
    assert "a.wav" in name
    assert said in reason
    assert "Correct its word times" in reason
    assert not dataset.manifest.exists()


# The verb


def studio(workspace: Path, *words: str, code: int = 0) -> str:
    result = CliRunner(env={"STUDIO_WORKSPACE": str(workspace)}).invoke(cli.app, ["align", "mine", *words])
    if isinstance(result.exception, StudioError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_the_verb_times_what_has_no_times_and_is_undone(tmp_path: Path, folder: Path) -> None:
    dataset = four_words(tmp_path)
    (first, *_) = dataset.utterances()
    by_hand = dataset.edit(first.id, words=timed(first, *TEXT.split()), words_from=word_times.BY_HAND)
    before = dataset.utterances()
    assert f"The words of 2 clips have their times, by {folder}." in studio(tmp_path, "--model", str(folder))
    assert dataset.history()[0].what == "Word times of 2 clips"
    assert dataset.get(first.id) == by_hand
    assert all(clip.words_from == str(folder) for clip in dataset.utterances()[1:])
    assert dataset.problems() == []
    assert "nothing to align" in studio(tmp_path, "--rough")
    assert "2 clips" in studio(tmp_path, "--rough", "--again")  # what a person set stays
    assert {clip.words_from for clip in dataset.utterances()} == {"hand", "rough"}
    studio(tmp_path, "--undo")
    studio(tmp_path, "--undo")
    assert dataset.utterances() == before


def test_without_a_whisper_times_are_marked_as_rough_and_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aligner, "on_disk", lambda workspace: [])
    dataset = four_words(tmp_path)
    said = studio(tmp_path)
    assert "roughly" in said
    assert "studio fetch openai/whisper-base" in said
    assert {clip.words_from for clip in dataset.utterances()} == {"rough"}


def test_a_model_that_cannot_align_is_refused(tmp_path: Path) -> None:
    four_words(tmp_path)
    with pytest.raises(ModelError, match="does not show when words are said"):
        studio(tmp_path, "--model", "echo")


def test_what_was_timed_when_a_person_cancels_is_kept_as_one_action(tmp_path: Path) -> None:
    dataset = four_words(tmp_path)

    def stop_at_the_last(done: int, total: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        job.align_clips(None, dataset, dataset.utterances(), stop_at_the_last)
    assert dataset.history()[0].what == "Word times of 2 clips"
    assert len(job.waiting(dataset.utterances())) == 1


def test_a_clip_that_cannot_be_aligned_is_named_and_one_changed_meanwhile_is_left(tmp_path: Path) -> None:
    dataset = four_words(tmp_path)
    lost, changed, fine = dataset.utterances()
    dataset.clip_path(lost).write_bytes(b"no sound at all")

    def somebody_edits(done: int, total: int) -> None:
        if done == total:
            dataset.edit(changed.id, text="order five")

    came = job.align_clips(None, dataset, [lost, changed, fine], somebody_edits)
    assert came.timed == 1
    assert job.skipped_sentence(came.skipped).startswith(
        f"1 clip could not be aligned; the first: {lost.audio_filepath}"
    )
    assert dataset.get(changed.id).words is None
    assert word_times.timed(dataset.get(fine.id))


def test_borders_that_a_person_moved_are_not_written_over_those_of_another(tmp_path: Path) -> None:
    dataset = four_words(tmp_path)
    (clip, *_) = dataset.utterances()
    mine = timed(clip, *TEXT.split())
    dataset.edit(clip.id, words=mine)
    with pytest.raises(ConflictError):
        dataset.change({clip.id: {"words": [*mine[:3], ("nine", (0.35, 0.5))]}}, was={clip.id: {"words": mine[:2]}})


# Served


def program(engine: Engine) -> openai.OpenAI:
    import openai

    client = TestClient(create_app(engine, "127.0.0.1", None), base_url="http://127.0.0.1")
    return openai.OpenAI(base_url="http://127.0.0.1/v1", api_key="none", max_retries=0, http_client=client)


def asked(client: openai.OpenAI, path: Path, *granularities: str) -> Any:
    with path.open("rb") as file:
        return client.audio.transcriptions.create(
            file=file,
            model="whisper-1",
            response_format="verbose_json",
            timestamp_granularities=list(granularities),  # type: ignore[arg-type]
        )


def test_a_served_whisper_gives_each_word_its_times(tmp_path: Path, whisper: Recogniser) -> None:
    path = tmp_path / "clip.wav"
    write_wav(path, tiny_models.noise(2.0, 1), RATE)
    client = program(Engine(whisper))
    heard = asked(client, path, "word")
    assert [word.word for word in heard.words] == label_words(heard.text)
    assert all(0 <= word.start < word.end <= 2.0 for word in heard.words)
    assert heard.segments is None
    both = asked(client, path, "word", "segment")
    assert both.words == heard.words
    assert both.segments
    assert asked(client, path, "segment").words is None


def test_words_of_a_long_recording_count_from_its_beginning(tmp_path: Path, whisper: Recogniser) -> None:
    path = tmp_path / "long.wav"
    write_wav(path, tiny_models.noise(40.0, 1), RATE)
    said = [(0.5, 3.0, "order one"), (4.0, 5.0, ""), (31.0, 34.0, "two nine")]
    found = timed_recording(whisper, path, [Segment(start=start, end=end, text=text) for start, end, text in said])
    assert [word for word, _ in found] == ["order", "one", "two", "nine"]
    times = [moment for _, pair in found for moment in pair]
    assert times == sorted(times)
    assert times[0] >= 0.5
    assert times[3] <= 3.0
    assert times[4] >= 31.0
    assert times[7] <= 34.0


def test_another_family_has_its_words_timed_by_the_whisper_on_this_disk(tmp_path: Path, whisper: Recogniser) -> None:
    path = tmp_path / "clip.wav"
    write_wav(path, tiny_models.noise(2.0, 1), RATE)
    found = asked(program(Engine(load("starter", "cpu"), find_aligner=lambda: whisper)), path, "word")
    assert [word.word for word in found.words] == label_words(found.text)
