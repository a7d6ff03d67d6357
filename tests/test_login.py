"""Passwords that hold, and guesses that take long."""

from __future__ import annotations

import base64
import logging

import pytest

from studio.errors import ConfigError
from studio.web.login import FREE, LONGEST_WAIT, MOST_ADDRESSES, Attempts, Login

PASSWORD = "correct horse battery"


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Bearer abc", "Basic YW5uYQ==", "Basic ä"])
def test_a_broken_login_header_is_a_refusal_and_no_crash(header: str) -> None:
    assert not Login("anna", PASSWORD).admits(header)


def test_a_password_may_hold_colons_and_letters_of_any_language() -> None:
    login = Login.parse("anna:pass:wörd:123\n")
    assert login == Login("anna", "pass:wörd:123")
    assert login.admits("Basic " + base64.b64encode("anna:pass:wörd:123".encode()).decode())


def test_the_password_is_not_in_what_python_prints_of_a_login() -> None:
    assert PASSWORD not in repr(Login("anna", PASSWORD))


@pytest.mark.parametrize("text", ["", "anna", ":longpassword", "anna:"])
def test_a_login_that_is_none_is_refused_with_the_form_it_should_have(text: str) -> None:
    with pytest.raises(ConfigError, match="name, a colon, and a password"):
        Login.parse(text)


def test_a_short_password_is_refused() -> None:
    with pytest.raises(ConfigError, match="11 characters; at least 12"):
        Login.parse("anna:q7Lm2vX9pRt")


@pytest.mark.parametrize(
    "password",
    [
        *("password1234", "123456789012", "passwordpassword", "qwertyuiop12", "Welcome12345", "aaaaaaaaaaaa"),
        *("letmein-letmein", "anna-anna-anna", "Administrator1", "iloveyou1234", "abcdefghijklmn", "P@ssw0rd2026"),
    ],
)
def test_a_password_that_everybody_tries_first_is_refused(password: str) -> None:
    with pytest.raises(ConfigError, match="among the first"):
        Login.parse(f"Anna:{password}")


@pytest.mark.parametrize("password", [PASSWORD, "four random words here", "kV9$wq-Zr4!mT", "мой длинный пароль"])
def test_a_password_that_is_hard_to_guess_is_taken(password: str) -> None:
    assert Login.parse(f"anna:{password}").password == password


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_guesses_are_slowed_more_and_more_and_others_are_not() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    waits = []
    for guess in range(FREE + 8):
        attempts.failed("10.0.0.9", f"Basic {guess}")
        waits.append(attempts.wait("10.0.0.9"))
        clock.now += waits[-1]
    assert waits == [0] * (FREE - 1) + [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert waits[-1] == LONGEST_WAIT
    assert attempts.wait("10.0.0.8") == 0


def test_a_right_password_clears_the_slate() -> None:
    attempts = Attempts(Clock())
    for guess in range(FREE):
        attempts.failed("10.0.0.9", f"Basic {guess}")
    attempts.succeeded("10.0.0.9")
    assert attempts.wait("10.0.0.9") == 0


def test_a_page_left_open_with_an_old_password_is_no_new_guess() -> None:
    attempts = Attempts(Clock())
    attempts.failed("10.0.0.9", "Basic old")
    assert attempts.was_tried("10.0.0.9", "Basic old")
    assert not attempts.was_tried("10.0.0.9", "Basic new")


def test_one_computer_has_many_ipv6_addresses_and_counts_once() -> None:
    attempts = Attempts(Clock())
    for guess in range(FREE):
        attempts.failed(f"2001:db8::{guess:x}", f"Basic {guess}")
    assert attempts.wait("2001:db8::ffff")
    assert not attempts.wait("2001:db8:0:1::1")


def test_wrong_passwords_are_logged_without_what_was_typed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "studio.login"):
        Attempts(Clock()).failed("10.0.0.9", "Basic c2VjcmV0")
    assert caplog.messages == ["Wrong password from 10.0.0.9 (1 so far)."]


def test_a_crowd_of_addresses_takes_no_memory_without_end() -> None:
    attempts = Attempts(Clock())
    for number in range(MOST_ADDRESSES + 100):
        attempts.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "Basic x")
    assert len(attempts._guessers) == MOST_ADDRESSES
