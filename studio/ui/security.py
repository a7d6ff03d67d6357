"""Who may talk to the page: hosts, origins, the login, and what a browser may do with what it gets.

The page listens on loopback, yet any web site open in the same browser can send requests there. A site
that points its own name at 127.0.0.1 (DNS rebinding) is stopped by the Host check, one that posts across
origins by the Origin check, and one that embeds clips by the resource policy.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.errors import ConfigError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LARGEST_UPLOAD = 1 << 30  # bytes: an hour of 24-bit stereo at 48 kHz, the longest file that somebody may import
SHORTEST_PASSWORD = 8  # characters

ANSWER_HEADERS: Mapping[str, str] = {
    # Gradio compiles templates in the browser, hence 'unsafe-eval'; nothing is fetched from anywhere else.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Login:
    """The one user who may open the page from another computer."""

    user: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Login:
        """A login from `name:password`. Raises ConfigError."""
        user, colon, password = text.strip().partition(":")
        if not (user and colon) or len(password) < SHORTEST_PASSWORD:
            raise ConfigError(
                "The login is not of the form name:password.",
                f"Write a name, a colon, and a password of at least {SHORTEST_PASSWORD} characters.",
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


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this computer alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_login(host: str, port: int, login: Login | None) -> None:
    """Raise ConfigError where the page would be open to other computers without a login."""
    if login is None and not is_loopback(host):
        raise ConfigError(
            f"Listening on {host} would open your recordings to other computers.",
            f"Keep the default address and reach it by “ssh -L {port}:localhost:{port} <this computer>”, or "
            f"write name:password into a file and give it with --login (or in $STUDIO_LOGIN).",
        )


@dataclass(frozen=True, slots=True)
class HostRule:
    """Which `Host` headers are answered. A name that is not ours may have been pointed here by its owner."""

    names: frozenset[str]
    any_address: bool = False  # an IP address cannot be rebound: only names can

    @classmethod
    def listening_on(cls, host: str) -> HostRule:
        """Loopback's names alone, or, beyond loopback, every address and this computer's names."""
        if is_loopback(host):
            return cls(LOOPBACK_NAMES | {host.lower()})
        ours = {host, socket.gethostname(), socket.getfqdn(), f"{socket.gethostname()}.local"}
        return cls(LOOPBACK_NAMES | {name.lower() for name in ours}, any_address=True)

    def admits(self, header: str) -> bool:
        """Whether `header`, the value of `Host`, names us."""
        try:
            name = (urlsplit(f"//{header}").hostname or "").lower()
        except ValueError:
            return False
        return name in self.names or (self.any_address and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_same_origin(headers: Headers, scheme: str) -> bool:
    """Whether a request that changes something comes from our own page, or from no page at all (curl)."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    return origin.lower() == f"{scheme}://{headers.get('host', '')}".lower()


class Gate:
    """ASGI middleware in front of everything: Gradio, the routes of every tab, and the assets."""

    def __init__(self, app: ASGIApp, hosts: HostRule, login: Login | None) -> None:
        self.app, self.hosts, self.login = app, hosts, login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        refusal = self._refusal(scope)
        if refusal is not None and scope["type"] == "http":
            return await refusal(scope, receive, send)
        if refusal is not None:
            return await send({"type": "websocket.close", "code": 1008})
        await self.app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if not self.hosts.admits(headers.get("host", "")):
            return PlainTextResponse("This studio does not answer to that host name.", 421)
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if changes and not is_same_origin(headers, scope.get("scheme", "http")):
            return PlainTextResponse("Refused: the request came from another web site.", 403)
        if not _is_small_enough(headers.get("content-length", "")):
            return PlainTextResponse(f"Refused: more than {LARGEST_UPLOAD >> 20} MB at once.", 413)
        if self.login and not self.login.admits(headers.get("authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="Speech Studio", charset="UTF-8"'}
            return PlainTextResponse("This studio asks for a login.", 401, challenge)
        return None


def _is_small_enough(length: str) -> bool:
    return not length.isdecimal() or int(length) <= LARGEST_UPLOAD


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in ANSWER_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
