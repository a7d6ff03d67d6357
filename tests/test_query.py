"""What a person types is understood, or refused with the place marked; nothing else ever happens."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from studio.data.view.query import FIELDS, FLAGS, All, Compare, Either, Has, Not, TextMatch, parse
from studio.errors import DataError

READ = [
    ("", All(())),
    ("order", TextMatch("order")),
    ("Order Nine", All((TextMatch("order"), TextMatch("nine")))),
    ('"two words"', TextMatch("two words")),
    ("“two words”", TextMatch("two words")),
    ("wer > 0.3", Compare("wer", ">", 0.3)),
    ("WER>=30%", Compare("wer", ">=", 0.3)),
    ("duration<1", Compare("duration", "<", 1.0)),
    ("duration < 800ms", Compare("duration", "<", 0.8)),
    ("duration < 1,5 s", All((Compare("duration", "<", 1.5), TextMatch("s")))),
    ('duration < "1,5 s"', Compare("duration", "<", 1.5)),
    ("loudness < -30LUFS", Compare("loudness", "<", -30.0)),
    ("snr != 20dB", Compare("snr", "!=", 20.0)),
    ("quality = look", Compare("quality", "=", "look")),
    ("Length < 2", Compare("duration", "<", 2.0)),
    ("verdict = look", Compare("quality", "=", "look")),
    ("recorded > 2026-11 and label ~ a", All((Compare("created", ">", "2026-11"), Compare("text", "~", "a")))),
    ("quality = re-record", Compare("quality", "=", "re-record")),
    ("split == Test", Compare("split", "=", "test")),
    ("split <> test", Compare("split", "!=", "test")),
    ("text ~ order", Compare("text", "~", "order")),
    ('text !~ "a b"', Compare("text", "!~", "a b")),
    ('speaker = ""', Compare("speaker", "=", "")),
    ("created > 2026-11-01", Compare("created", ">", "2026-11-01")),
    ("has digits", Has("digits")),
    ("has digit", Has("digits")),
    ("has numbers", Has("numbers")),
    ("has arrived", All((TextMatch("has"), TextMatch("arrived")))),
    ("not has heard", Not(Has("heard"))),
    ("duration < 1 and not speaker = anna", All((Compare("duration", "<", 1.0), Not(Compare("speaker", "=", "anna"))))),
    ("a or b c", Either((TextMatch("a"), All((TextMatch("b"), TextMatch("c")))))),
    ("(a or b) c", All((Either((TextMatch("a"), TextMatch("b"))), TextMatch("c")))),
    ("don't e-mail 5$!", All((TextMatch("don't"), TextMatch("e-mail"), TextMatch("5$!")))),
    ('")"', TextMatch(")")),
]


@pytest.mark.parametrize(("text", "query"), READ, ids=[text for text, _ in READ])
def test_what_a_person_would_type_is_understood(text: str, query: object) -> None:
    assert parse(text) == query


COMPARE = "Compare it by =, <, <=, > or >=, for example: > 0.3."


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("durtion < 1", "Unknown column “durtion”: “‸durtion < 1”.", "Did you mean “duration”?"),
        ("split = tset", "“split” is never “tset”: “split = ‸tset”.", "Did you mean “test”?"),
        ("wer >> 3", "A value is missing after “wer >”: “wer >‸> 3”.", "For example: wer > 0.3"),
        ("wer > much", "A number (of 1) is missing here: “wer > ‸much”.", COMPARE),
        ("duration < 3dB", "A number (s) is missing here: “duration < ‸3dB”.", COMPARE),
        ("text > a", "“text” is not a number: “text > ‸a”.", "For example: text = anna."),
        ("created = soon", "“soon” is not a date: “created = ‸soon”.", "Write it as 2026-11 or 2026-11-01."),
        ("(a", "The “)” is missing that belongs to this “(”: “‸(a”.", "Close it, or put it in quotation marks."),
        ("a )", "There is one “)” too many: “a ‸)”.", "Remove it, or open a “(” before it."),
        ("a and", "A word, a column or “(” is missing: “a and‸”.", "For example: duration < 1 or split = test."),
        ("not", "A word, a column or “(” is missing: “not‸”.", "For example: duration < 1 or split = test."),
        ('say "half', "The closing quotation mark is missing: “say ‸\"half”.", 'Write “…” or "…".'),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_marked_with_what_to_do(text: str, what: str, remedy: str) -> None:
    with pytest.raises(DataError) as refused:
        parse(text)
    assert (refused.value.what, refused.value.remedy) == (what, remedy)


PIECES = st.sampled_from(
    [*FIELDS, *FLAGS, "and", "or", "not", "has", "(", ")", "<", ">=", "~", "!~", "=", "==", '"', "“", "”", "0.3", "30%",
     "-", "test", "2026-11", "‸", " ", "\n", "\x00", "\ud800", "٣", "1e9", "nan", "9" * 400]
)  # fmt: skip


@given(st.text(max_size=60) | st.lists(PIECES, max_size=25).map(" ".join) | st.lists(PIECES, max_size=12).map("".join))
@example("(" * 1999)
@example("not " * 499)
@example("a" * 5000)
@example("wer = " + "9" * 1900)
def test_no_text_is_ever_anything_but_a_query_or_a_sentence(text: str) -> None:
    with contextlib.suppress(DataError):
        parse(text)


@given(st.lists(st.text("abcdefgh", min_size=4, max_size=8), min_size=1, max_size=5))
def test_plain_words_are_searched_as_they_are(words: list[str]) -> None:
    found = parse(" ".join(words))
    assert (found.terms if isinstance(found, All) else (found,)) == tuple(map(TextMatch, words))


def test_every_column_and_flag_says_what_it_is() -> None:
    assert all(column.what and (column.unit or column.kind != "number") for column in FIELDS.values())
    assert all(FLAGS.values())
