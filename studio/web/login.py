"""The one user who may open the page from another computer, and how slowly a password can be guessed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from studio.errors import ConfigError
from studio.text import counted

SHORTEST_PASSWORD = (
    12  # characters: NIST SP 800-63B-4 asks for 15, or for 8 with a second factor; guesses are slow here
)
FEWEST_OF_THEIR_OWN = 5  # different characters that have to be left without what every guesser tries first
COMMON = (  # the longer first: “qwertyuiop” before “qwerty”
    *("0987654321", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1q2w3e4r5t"),
    *("administrator", "password", "passwort", "changeme", "iloveyou", "sunshine", "princess", "football", "baseball"),
    *("superman", "welcome", "letmein", "monkey", "dragon", "master", "shadow", "qwerty", "secret", "studio", "speech"),
    *("abc123", "654321", "login", "admin", "hello", "p@ssw0rd", "passw0rd", "1q2w3e"),
)
FREE = 5  # wrong passwords from one address before the next has to wait
LONGEST_WAIT = 60.0  # seconds
MOST_ADDRESSES = 10_000  # that are remembered; the one not seen for longest is forgotten
_log = logging.getLogger("studio.login")


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password."""

    user: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Login:
        """A login from `name:password`. Raises ConfigError, also for a password that is easily guessed."""
        user, colon, password = text.strip().partition(":")
        if not (user and colon and password):
            raise ConfigError(
                "The login does not have the form name:password.",
                f"Write a name, a colon, and a password of at least {SHORTEST_PASSWORD} characters.",
            )
        if len(password) < SHORTEST_PASSWORD:
            raise ConfigError(
                f"The password has {counted(len(password), 'character')}; at least {SHORTEST_PASSWORD} are needed.",
                "Use four or more words that do not belong together.",
            )
        if is_common(password, user):
            raise ConfigError(
                "The password is among the first that an attacker would try.",
                "Use four or more words that do not belong together.",
            )
        return cls(user, password)

    def admits(self, authorization: str) -> bool:
        """Whether the value of an `Authorization` header is this login (compared in constant time)."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, f"{self.user}:{self.password}".encode())


def is_common(password: str, user: str = "") -> bool:
    """Whether little is left of `password` without the user's name, what everybody tries first, and repetitions."""
    rest = password.casefold()
    for known in (user.casefold(), *COMMON):
        rest = rest.replace(known, "") if known else rest
    rest = "".join(char for before, char in pairwise(f" {rest}") if ord(char) - ord(before) not in (0, 1))  # aaa, abc
    return len(set(rest)) < FEWEST_OF_THEIR_OWN


@dataclass(slots=True)
class _Guesser:
    wrong: int = 0
    until: float = 0.0  # on the clock
    tried: set[bytes] = field(default_factory=set)


class Attempts:
    """Wrong passwords by address: after a few, each further one costs a wait that doubles, and all are logged.

    A wrong password that comes again is no new guess: a page that was left open with an old one locks no one out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    def wait(self, address: str) -> int:
        """Seconds until a password from `address` is looked at again; 0 for now."""
        guesser = self._guessers.get(_network(address))
        return max(0, math.ceil(guesser.until - self._clock())) if guesser else 0

    def was_tried(self, address: str, authorization: str) -> bool:
        """Whether `address` has sent this wrong password before."""
        guesser = self._guessers.get(_network(address))
        return guesser is not None and _digest(authorization) in guesser.tried

    def failed(self, address: str, authorization: str) -> None:
        """Count and log a wrong password."""
        guesser = self._guessers.setdefault(_network(address), _Guesser())
        self._guessers.move_to_end(_network(address))
        if len(self._guessers) > MOST_ADDRESSES:
            self._guessers.popitem(last=False)
        guesser.wrong += 1
        if len(guesser.tried) < 100:
            guesser.tried.add(_digest(authorization))
        if guesser.wrong >= FREE:
            guesser.until = self._clock() + min(2.0 ** min(guesser.wrong - FREE, 10), LONGEST_WAIT)
        _log.warning("Wrong password from %s (%d so far).", address, guesser.wrong)

    def succeeded(self, address: str) -> None:
        """Forget the wrong passwords of `address`."""
        self._guessers.pop(_network(address), None)


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode("utf-8", "surrogateescape")).digest()


def _network(address: str) -> str:
    """`address`, of IPv6 the network: one computer has 2⁶⁴ addresses there."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
