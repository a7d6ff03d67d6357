"""Where it is wrong: words, confusions and conditions add up to the errors that were scored."""

from __future__ import annotations

from finished import clips_of, read_as
from hypothesis import given
from hypothesis import strategies as st

from studio.evaluation.error_analysis import confused, mistakes
from studio.evaluation.evaluate import Evaluation, scored
from studio.models import Hypothesis
from studio.text.metrics import diff

words = st.lists(st.sampled_from(["fifteen", "fifty", "call", "room", "one"]), min_size=1, max_size=6).map(" ".join)


def test_a_word_is_counted_as_often_as_it_was_said_and_as_it_was_written_right() -> None:
    clips = clips_of(["call fifteen", "room fifteen fifteen", "call room"])
    before = read_as(clips, ["call fifty", "room fifty fifteen", "call room"], None)
    after = read_as(clips, ["call fifteen", "room fifteen fifty", "call room"], "run")
    found = mistakes(before, after, {})
    first = found.words[0]
    assert (first.word, first.said, first.right_before, first.right_after) == ("fifteen", 3, 1, 2)
    assert {word.word: word.right_after for word in found.words} == {"fifteen": 2, "call": 2, "room": 2}
    assert [(row.said, row.written, row.before, row.after) for row in found.confusions] == [("fifteen", "fifty", 2, 1)]


def test_numbers_written_otherwise_are_one_confusion_and_half_a_sentence_is_none() -> None:
    assert list(confused(diff("order 903 now", "order nine zero three now"))) == [("903", "nine zero three")]
    assert list(confused(diff("a b c d e", "v w x y z"))) == [
        ("a", "v"),
        ("b", "w"),
        ("c", "x"),
        ("d", "y"),
        ("e", "z"),
    ]
    assert list(confused(diff("a b", "a"))) == [("b", "")]
    assert list(confused(diff("a", "a b"))) == [("", "b")]


@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=6))
def test_errors_by_clip_word_and_condition_add_up_to_the_score(texts: list[tuple[str, str, str]]) -> None:
    clips = clips_of([said for said, _, _ in texts])
    before = read_as(clips, [was for _, was, _ in texts], None)
    after = read_as(clips, [now for _, _, now in texts], "run")
    found = mistakes(before, after, {clip.id: clip for clip in clips})
    score = after.score
    assert sum(clip.after.errors for clip in found.clips) == score.substitutions + score.deletions + score.insertions
    assert sum(word.said for word in found.words) == score.words
    wrong = sum(word.said - word.right_after for word in found.words)
    assert wrong == score.substitutions + score.deletions
    for by in {group.by for group in found.groups}:
        groups = [group for group in found.groups if group.by == by]
        assert sum(group.clips for group in groups) == len(clips)
        assert sum(group.words for group in groups) == score.words


def test_conditions_are_told_where_they_are_known_and_differ() -> None:
    quality = [{"version": 1, "snr_db": snr} for snr in (8.0, 30.0)]
    full = {"peak_db": -6, "rms_db": -20, "loudness_lufs": -20, "clipped_share": 0, "speech_seconds": 1,
            "silence_before": 0, "silence_after": 0, "longest_pause": 0, "dc_offset": 0, "bandwidth_hz": 8}  # fmt: skip
    long = " ".join(["call room"] * 10)
    clips = [
        clip.model_copy(update={"speaker": speaker, "quality": full | figures})
        for clip, speaker, figures in zip(clips_of([long, long]), ("anna", "theo"), quality, strict=True)
    ]
    after = read_as(clips, [long.replace(" room", ""), long], "run")
    found = {(row.by, row.name): row.after for row in mistakes(None, after, {clip.id: clip for clip in clips}).groups}
    assert found["Signal to noise", "under 15 dB"] == 0.5
    assert found["Signal to noise", "25 dB and more"] == 0
    assert found["Speaker", "anna"] == 0.5
    assert found["Length", "under 2 s"] == 0.5
    assert not mistakes(None, read_as(clips[:1], ["call"], "run"), {}).groups
    few = mistakes(None, read_as(clips_of(["call room", "call"]), ["call", "call"], "run"), {}).groups
    assert {row.after for row in few} == {None}  # of two words a rate says nothing


def test_a_reference_that_is_empty_once_normalised_breaks_nothing() -> None:
    clips = clips_of(["um", "call room"])
    after = read_as(clips, ["hello there", "call room"], "run").by("whisper")
    found = mistakes(None, after, {})
    assert found.clips[0].compared == ""
    assert found.clips[0].after.errors == 2
    assert [(row.said, row.written) for row in found.confusions] == [("", "hello there")]


def surely(texts: list[list[tuple[str, float]]], references: list[str], normaliser: str = "exact") -> Evaluation:
    """A model that wrote such words, as sure of each."""
    clips = clips_of(references)
    heard = [
        Hypothesis(text=" ".join(word for word, _ in words), seconds=1, latency=0.1, words=words) for words in texts
    ]
    return scored(clips, heard, model="echo", adapter="run", normaliser=normaliser)


def test_each_written_word_has_its_own_chance_whichever_way_texts_are_compared() -> None:
    words = [("Room", 0.9), ("one", 0.5), ("two,", 0.4), ("please", 0.8)]
    for normaliser, chances in (
        ("exact", [0.9, 0.5, 0.4, 0.8]),
        ("plain", [0.9, 0.5, 0.4, 0.8]),
        ("whisper", [0.9, 0.5, 0.4, 0.8]),  # compares 12, and shows what was written
    ):
        found = mistakes(None, surely([words], ["room 12 please"], normaliser), {}).clips[0].after
        assert found.chances == chances
        assert len(found.chances) == sum(len(edit.hypothesis.split()) for edit in found.edits)
        assert found.least_sure == 0.4


@given(st.lists(st.tuples(words, words), min_size=1, max_size=5), st.sampled_from(["exact", "spoken", "whisper"]))
def test_there_is_a_chance_for_every_written_word(texts: list[tuple[str, str]], normaliser: str) -> None:
    read = [[(word, 0.5) for word in text.split()] for text, _ in texts]
    found = mistakes(None, surely(read, [said for _, said in texts], normaliser), {})
    for clip in found.clips:
        assert len(clip.after.chances) == sum(len(edit.hypothesis.split()) for edit in clip.after.edits)
    assert sum(one.words for one in found.sureties) == sum(len(clip.after.chances) for clip in found.clips)


def test_how_often_sure_and_unsure_words_are_right_is_counted() -> None:
    read = [[("call", 0.95), ("fifty", 0.3)], [("room", 0.7), ("fifteen", 0.5)], [("yes", 0.99)]]
    found = mistakes(None, surely(read, ["call fifteen", "room fifteen", "yes"]), {}).sureties
    assert [(one.name, one.words, one.right) for one in found] == [
        ("under 60 %", 2, 1), ("60 to 90 %", 1, 1), ("90 % and more", 2, 2),
    ]  # fmt: skip
    assert found[0].mean == 0.4
    assert found[0].share is None  # of two words
    many = [[("call", 0.95)] * 20]
    assert mistakes(None, surely(many, [" ".join(["call"] * 20)]), {}).sureties[0].share == 1
    unknown = mistakes(None, read_as(clips_of(["call"]), ["call"], "run"), {})
    assert unknown.sureties == []
    assert unknown.clips[0].after.least_sure is None


def test_what_is_shown_is_what_was_written_whichever_way_it_is_compared() -> None:
    clips = clips_of(["order seven three two now"])
    for normaliser, wrong in (("exact", 3), ("spoken", 0), ("whisper", 0)):
        after = read_as(clips, ["order 732 now"], "run").by(normaliser)
        clip = mistakes(None, after, {}).clips[0]
        assert [(edit.kind, edit.hypothesis) for edit in clip.after.edits] == [
            ("equal", "order"), ("spelling", "732"), ("equal", "now"),
        ]  # fmt: skip
        assert clip.after.errors == wrong


def test_a_confusion_that_is_only_another_spelling_is_marked_as_one() -> None:
    clips = clips_of(["room seven three", "call anna"])
    found = mistakes(None, read_as(clips, ["room 73", "call hannah"], "run"), {}).confusions
    assert {(row.said, row.written): row.is_spelling for row in found} == {
        ("seven three", "73"): True, ("anna", "hannah"): False,
    }  # fmt: skip


def test_a_language_without_spaces_is_counted_by_character() -> None:
    clips = clips_of(["今日は天気がいい", "今日は雨"])
    found = mistakes(None, read_as(clips, ["今日は電気がいい", "今日は雨"], "run"), {})
    assert [(clip.after.errors, clip.words) for clip in found.clips] == [(1, 8), (0, 4)]
    assert [(row.said, row.written) for row in found.confusions] == [("天", "電")]
    assert found.words[0].word == "天"
    assert [edit.hypothesis for edit in found.clips[0].after.edits] == ["今日は", "電", "気がいい"]


def test_one_definition_says_which_clips_got_worse_and_where_they_are_drawn() -> None:
    long = " ".join(["call"] * 300)
    clips = clips_of([long, "yes", "no"])
    before = read_as(clips, [long, "a b c d", "no"], None)
    after = read_as(clips, [long[5:], "a b", "no"], "run")
    found = mistakes(before, after, {}).clips
    assert [clip.outcome for clip in found] == ["worse", "better", "same"]  # one word of 300, and 400 to 200 %
    assert found[1].accuracies == (0, 0)
