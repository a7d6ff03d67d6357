"""A long recording is cut where nobody speaks, read in flat memory, stopped and resumed, and saved as subtitles."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from subtitles_read import Cues, read_srt, read_vtt

from studio import cli
from studio.errors import AudioError, ConfigError, DataError
from studio.inference.longform.cutting import EDGE, PASSAGES, PHRASES, Piece, pieces
from studio.inference.longform.reading import LongRecording, read_file
from studio.inference.longform.subtitles import CUE_SECONDS, LINE, LINES, rendered
from studio.inference.longform.transcript import Segment, Transcript, TranscriptLog
from studio.models import load
from studio.models.echo import speak
from studio.starter import MODEL_FOLDER
from studio.workspace import Workspace

RATE = 16_000
Sound = NDArray[np.float32]


def talk(seconds: float, level: float = 0.2) -> Sound:
    """What goes up and down four times a second, as syllables do."""
    at = np.arange(round(seconds * RATE)) / RATE
    voice = np.random.default_rng(2).normal(0, level, at.shape) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * at)) ** 2
    return np.clip(voice, -1, 1).astype(np.float32)


def layout(*parts: float | Sound, room: float = 3e-4) -> Sound:
    """Sounds, and seconds of silence between them, in a quiet room."""
    whole = [part if isinstance(part, np.ndarray) else np.zeros(round(part * RATE), np.float32) for part in parts]
    joined = np.concatenate(whole)
    return joined + np.random.default_rng(0).normal(0, room, joined.shape).astype(np.float32)


def said(segments: Iterable[Segment]) -> list[str]:
    """What echo read. A piece that begins within one of its frames begins with half a letter more."""
    return [re.sub(r"^(\w)\1", r"\1", segment.text) for segment in segments]


def file_of(folder: Path, sound: Sound, name: str = "long.wav") -> Path:
    soundfile.write(folder / name, sound, RATE, subtype="PCM_16")
    return folder / name


def spans(found: list[Piece]) -> list[tuple[float, float]]:
    return [(piece.start, piece.end) for piece in found]


# Cutting


def test_no_cut_falls_into_speech_and_no_speech_is_left_out(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    parts: list[float | Sound] = []
    spoken, at = [], 0.0
    for _ in range(60):
        pause, length = float(chance.choice([0.4, 0.6, 1.0, 3.0])), float(chance.uniform(0.4, 6.0))
        parts += [pause, talk(length)]
        spoken.append((at + pause, at + pause + length))
        at += pause + length
    found = spans(list(pieces(file_of(tmp_path, layout(*parts)), RATE)))
    assert all(end - start <= 30 for start, end in found)
    assert all(start <= end <= later for (start, end), (later, _) in pairwise(found))
    for start, end in spoken:
        assert any(first <= start + 0.05 and end - 0.05 <= last for first, last in found), (start, end)


def test_pieces_are_long_enough_for_context_and_end_in_the_longest_pause(tmp_path: Path) -> None:
    word = talk(2.0)
    parts = [part for pause in (0.5, 0.5, 0.5, 1.2, 0.5, 0.5) for part in (pause, word)]
    found = spans(list(pieces(file_of(tmp_path, layout(*parts, talk(12.0))), RATE)))
    assert found[0] == (pytest.approx(0.3, abs=0.1), pytest.approx(7.5 + EDGE, abs=0.1))  # before the 1.2 s
    assert len(found) == 2


def test_a_long_silence_ends_a_piece_and_is_not_read(tmp_path: Path) -> None:
    found = spans(list(pieces(file_of(tmp_path, layout(1.0, talk(1.0), 100.0, talk(1.0), 3.0)), RATE)))
    assert [round(start) for start, _ in found] == [1, 102]
    assert all(end - start < 1.6 for start, end in found)


def test_speech_without_a_pause_is_cut_at_its_quietest_place(tmp_path: Path) -> None:
    loud, soft = talk(20.0), talk(0.2, level=0.01)
    found = spans(list(pieces(file_of(tmp_path, layout(0.5, loud, soft, talk(14.0), 1.0)), RATE)))
    assert len(found) == 2
    assert found[0][1] == pytest.approx(20.6, abs=0.15)
    assert found[0][1] == pytest.approx(found[1][0], abs=0.01)  # nothing between them is lost


def test_who_hears_ten_seconds_gets_no_more(tmp_path: Path) -> None:
    found = list(pieces(file_of(tmp_path, layout(0.5, talk(45.0), 0.5)), RATE, longest=10.0))
    assert max(len(piece.samples) for piece in found) <= 10 * RATE
    assert found[-1].end - found[0].start == pytest.approx(45.4, abs=0.2)


def test_both_sides_of_a_call_on_two_channels_are_heard(tmp_path: Path) -> None:
    asked, silence = speak("left speaks first"), np.zeros(4 * RATE, np.float32)
    answer = speak("right answers")
    left, right = np.concatenate([asked, silence, 0 * answer]), np.concatenate([0 * asked, silence, answer])
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), RATE)
    found = LongRecording(load("echo", "cpu"), tmp_path / "call.wav").segments()
    assert said(found) == ["left speaks first", "right answers"]


@pytest.mark.thorough
def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    def peak(minutes: int) -> int:
        path = file_of(tmp_path, layout(*[part for _ in range(minutes * 6) for part in (1.0, talk(9.0))]))
        tracemalloc.start()
        for _ in pieces(path, RATE):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(8) < 1.1 * peak(3)


@pytest.mark.parametrize(("sound", "why"), [(np.zeros(0), "no sound"), (np.full(100, np.nan), "not numbers")])
def test_what_cannot_be_read_says_why(tmp_path: Path, sound: Sound, why: str) -> None:
    soundfile.write(tmp_path / "bad.wav", sound.astype(np.float32), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=why):
        list(pieces(tmp_path / "bad.wav", RATE))


def test_one_word_in_minutes_of_silence_is_found(tmp_path: Path) -> None:
    found = spans(list(pieces(file_of(tmp_path, layout(70.0, talk(0.4), 70.0)), RATE)))
    assert [(round(start), round(end)) for start, end in found] == [(70, 71)]


def test_a_recording_in_which_nobody_speaks_has_no_pieces(tmp_path: Path) -> None:
    assert list(pieces(file_of(tmp_path, layout(100.0)), RATE)) == []


# Reading


@pytest.fixture(scope="module")
def phrases() -> list[str]:
    return [f"order {number:04d} for room {number % 7}" for number in range(100, 160)]


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory, phrases: list[str]) -> Path:
    """Three minutes: longer than what is in memory at once."""
    parts = [part for phrase in phrases for part in (speak(phrase), 2.2)]
    return file_of(tmp_path_factory.mktemp("meeting"), layout(*parts, room=0.0), "meeting.wav")


def test_an_hour_or_three_minutes_every_phrase_is_read_with_its_time(meeting: Path, phrases: list[str]) -> None:
    found = list(LongRecording(load("echo", "cpu"), meeting).segments())
    assert said(found) == phrases
    step = (len(speak(phrases[0])) / RATE) + 2.2
    assert [segment.start for segment in found] == pytest.approx([step * place for place in range(60)], abs=0.25)


class StoppedError(Exception):
    """What a person's Ctrl-C is here."""


def stopping_at(second: float) -> Callable[[float, float], None]:
    def progress(done: float, total: float) -> None:
        if done > second:
            raise StoppedError

    return progress


def test_a_stopped_reading_leaves_no_half_file_and_goes_on_to_the_same_result(meeting: Path, tmp_path: Path) -> None:
    reading, whole, output = LongRecording(load("echo", "cpu"), meeting), tmp_path / "whole.srt", tmp_path / "x.srt"
    log = TranscriptLog.of(output, Workspace(tmp_path / "workspace"))
    read_file(reading, {whole: "srt"})
    with pytest.raises(StoppedError):
        read_file(reading, {output: "srt"}, None, stopping_at(60), log)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole.srt", "workspace"]
    begun: list[float] = []
    read_file(reading, {output: "srt"}, None, lambda done, total: begun.append(done), log)
    assert begun[0] > 60  # not from the start again
    assert output.read_text() == whole.read_text()
    assert not any((tmp_path / "workspace").iterdir())


def test_what_was_read_of_another_recording_is_not_gone_on_with(meeting: Path, tmp_path: Path) -> None:
    output, other = tmp_path / "x.txt", file_of(tmp_path, layout(speak("other words"), 1.0, room=0.0))
    log = TranscriptLog.of(output, Workspace(tmp_path))
    with pytest.raises(StoppedError):
        read_file(LongRecording(load("echo", "cpu"), meeting), {output: "txt"}, None, stopping_at(60), log)
    log.path.write_bytes(log.path.read_bytes() + b'{"torn')
    read_file(LongRecording(load("echo", "cpu"), other), {output: "txt"}, log=log)
    assert output.read_text() == "other words\n"


def test_a_transcript_is_written_where_its_log_cannot_be_kept(meeting: Path, tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "readings").write_text("a file in the way")
    log = TranscriptLog.of(tmp_path / "x.txt", Workspace(tmp_path))
    read_file(LongRecording(load("echo", "cpu"), meeting), {tmp_path / "x.txt": "txt"}, log=log)
    assert (tmp_path / "x.txt").read_text().strip()


def test_a_subtitle_export_that_is_killed_or_fails_leaves_nothing_next_to_its_file(
    meeting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.inference.longform import reading

    def killed(*_: object) -> None:
        raise SystemExit(137)

    monkeypatch.setattr(reading, "write_atomically", killed)  # the moment at which all is read and nothing written
    (tmp_path / "out").mkdir()
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path / "here"))
    words = ["transcribe", str(meeting), "--model", "echo", "--format", "srt"]
    with pytest.raises(SystemExit, match="137"):
        cli.main([*words, "--output", str(tmp_path / "out" / "o.srt")])
    assert list((tmp_path / "out").iterdir()) == []


def test_the_starter_is_given_phrases_and_other_models_passages(meeting: Path) -> None:
    echo = load("echo", "cpu")
    assert LongRecording(echo, meeting).lengths == PASSAGES
    assert LongRecording(replace(echo, folder=MODEL_FOLDER), meeting).lengths == PHRASES


# Subtitles

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=90)
SEGMENTS = st.lists(
    st.tuples(st.floats(0, 50), st.floats(0.1, 30), st.lists(WORDS, max_size=60).map(" ".join)), max_size=6
)


def transcript(rows: list[tuple[float, float, str]]) -> Transcript:
    """Rows of pause, length and text, one after the other."""
    at, segments = 359_990.0, list[Segment]()  # near a hundred hours, where the clock grows
    for pause, length, text in rows:
        segments.append(Segment(start=at + pause, end=at + pause + length, text=text))
        at += pause + length
    return Transcript(audio="a.wav", model="echo", adapter=None, device="cpu", seconds=at, segments=segments)


@given(SEGMENTS)
def test_subtitles_are_read_back_as_they_were_written(rows: list[tuple[float, float, str]]) -> None:
    written = transcript(rows)
    srt, vtt = read_srt(rendered(written, "srt")), read_vtt(rendered(written, "vtt"))
    assert srt == vtt
    for segment in written.segments:
        of_it = [cue for cue in srt if segment.start * 1000 - 1 <= cue[0] < segment.end * 1000 - 0.5]
        letters = "".join("".join(line.split()) for _, _, lines in of_it for line in lines)
        assert letters == "".join(segment.text.split())
    check_readable(srt)


def check_readable(cues: Cues) -> None:
    for start, end, lines in cues:
        assert len(lines) <= LINES
        assert all(len(line) <= LINE for line in lines)
        assert end - start <= CUE_SECONDS * 1000
    assert all(first[1] <= second[0] for first, second in pairwise(cues))


def test_a_long_piece_becomes_cues_of_like_length_with_time_in_proportion() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    cues = read_srt(rendered(transcript([(0, 10, text)]), "srt"))
    letters = [sum(map(len, lines)) for _, _, lines in cues]
    assert [len(lines) for _, _, lines in cues] == [2, 2]
    assert letters[0] == pytest.approx(letters[1], abs=12)
    assert cues[0][1] - cues[0][0] == pytest.approx(10_000 * letters[0] / sum(letters), abs=2)
    assert cues[0][1] == cues[1][0]


def test_text_is_a_line_a_piece_and_json_holds_everything() -> None:
    written = transcript([(0, 1, "hello"), (1, 1, ""), (1, 1, "bye")])
    assert rendered(written, "txt") == "hello\nbye\n"
    assert Transcript.model_validate_json(rendered(written, "json")) == written


# The verb


def test_the_verb_writes_several_formats_at_once(meeting: Path, phrases: list[str], tmp_path: Path) -> None:
    arguments = ["transcribe", str(meeting), "--model", "echo", "--output", str(tmp_path / "x.srt")]
    with pytest.raises(SystemExit, match="0"):
        cli.main([*arguments, "--format", "srt", "--format", "txt"])
    assert len((tmp_path / "x.txt").read_text().splitlines()) == len(phrases)
    assert len(read_srt((tmp_path / "x.srt").read_text())) == len(phrases)


def test_without_a_format_a_long_file_is_one_of_the_list_with_its_pieces(
    meeting: Path, phrases: list[str], tmp_path: Path
) -> None:
    short = file_of(tmp_path, layout(speak("short"), room=0.0), "short.wav")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["transcribe", str(meeting), str(short), "--model", "echo", "--output", str(tmp_path / "x.json")])
    long, other = json.loads((tmp_path / "x.json").read_text())["clips"]
    assert other["text"] == "short"
    assert long["text"] == " ".join(segment["text"] for segment in long["segments"])
    assert said(Segment(**segment) for segment in long["segments"]) == phrases
    assert other["segments"] is None


@pytest.mark.parametrize(
    ("more", "error", "what"),
    [
        (["--format", "docx"], ConfigError, "txt, srt, vtt, json"),
        (["nowhere.wav", "--format", "srt"], DataError, "no sound file"),
        (["{again}", "--format", "srt", "--output", "no-folder"], ConfigError, "several files"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_read(
    meeting: Path, more: list[str], error: type[Exception], what: str
) -> None:
    from studio.cli.rendering import longform

    files = [meeting, *(meeting if word == "{again}" else Path(word) for word in more[: more.index("--format")])]
    output = Path(more[-1]) if "--output" in more else None
    with pytest.raises(error, match=what):
        longform.planned(files, [more[more.index("--format") + 1]], output)


def test_ctrl_c_says_that_what_was_read_is_kept(
    meeting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cli.rendering import longform

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(longform, "read_file", pressed)
    with pytest.raises(SystemExit, match="130"):
        cli.main(
            ["transcribe", str(meeting), "--model", "echo", "--format", "srt", "--output", str(tmp_path / "x.srt")]
        )
    assert f"transcribed of {meeting.name} is kept: the same command continues it" in capsys.readouterr().out
