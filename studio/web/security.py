"""Who may talk to the page: hosts, origins, the login, and what a browser may do with what it gets.

The page listens on loopback, yet any web site open in the same browser can send requests there. A site
that points its own name at 127.0.0.1 (DNS rebinding) is stopped by the Host check, one that posts across
origins by the Origin check, and one that embeds clips by the resource policy.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.errors import ConfigError
from studio.web.login import Attempts, Login

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

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


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this computer alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_login(host: str, port: int, login: Login | None, public: PublicUrl | None = None) -> None:
    """Raise ConfigError where the page would be open to other computers without a login."""
    if login is None and public is not None:
        raise ConfigError(
            f"{public.url} would open your recordings to other computers.",
            "Write name:password into a file and give it with --login (or in $STUDIO_LOGIN).",
        )
    if login is None and not is_loopback(host):
        raise ConfigError(
            f"Listening on {host} would open your recordings to other computers.",
            f"Keep the default address and reach it by “ssh -L {port}:localhost:{port} <this computer>”, or "
            f"write name:password into a file and give it with --login (or in $STUDIO_LOGIN).",
        )


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """Where a browser finds the page that a proxy passes on to us: `https://studio.example.com`."""

    scheme: str
    netloc: str  # name, and the port where it is not the scheme's own

    @classmethod
    def parse(cls, text: str) -> PublicUrl:
        """The address in `text`. Raises ConfigError where it is not one, or has a path."""
        parts = urlsplit(text.strip().lower())
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme != "https" or not parts.hostname or port == 0 or parts.username is not None:
            raise ConfigError(
                f"“{text[:80]}” is not the address of a proxy.",
                "Write it as a browser shows it: https://studio.example.com",
            )
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ConfigError(
                f"“{text[:80]}” has a path; the page needs a host name of its own.",
                f"Give it one in the proxy: https://studio.{parts.hostname}",
            )
        return cls(parts.scheme, parts.netloc.removesuffix(":443"))

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def name(self) -> str:
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True)
class HostRule:
    """Which `Host` headers are answered. A name that is not ours may have been pointed here by its owner."""

    names: frozenset[str]
    any_address: bool = False  # an IP address cannot be rebound: only names can

    @classmethod
    def listening_on(cls, host: str, public: PublicUrl | None = None) -> HostRule:
        """Loopback's names alone, or, beyond loopback, every address and this computer's names; and the proxy's."""
        at_proxy = {public.name} if public else set()
        if is_loopback(host):
            return cls(LOOPBACK_NAMES | {host.lower()} | at_proxy)
        ours = {host, socket.gethostname(), socket.getfqdn(), f"{socket.gethostname()}.local"} | at_proxy
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


def is_same_origin(headers: Headers, scheme: str, public: PublicUrl | None = None) -> bool:
    """Whether a request that changes something comes from our own page, or from no page at all (curl)."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    ours = public.url if public else f"{scheme}://{headers.get('host', '')}"
    return origin.lower() == ours.lower()


class Gate:
    """ASGI middleware in front of everything: Gradio, the routes of every tab, and the assets."""

    def __init__(self, app: ASGIApp, hosts: HostRule, login: Login | None, public: PublicUrl | None = None) -> None:
        self.app, self.hosts, self.login, self.public = app, hosts, login, public
        self.attempts = Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        refusal = self._refusal(scope) or self._refused_login(scope)
        if refusal is not None and scope["type"] == "http":
            return await refusal(scope, receive, _with_headers(send))
        if refusal is not None:
            return await send({"type": "websocket.close", "code": 1008})
        await self.app(as_asked_for(scope, self.public), receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if not self.hosts.admits(headers.get("host", "")):
            return PlainTextResponse("This studio does not answer to that host name.", 421)
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if changes and not is_same_origin(headers, scope.get("scheme", "http"), self.public):
            return PlainTextResponse("Refused: the request came from another web site.", 403)
        return None

    def _refused_login(self, scope: Scope) -> PlainTextResponse | None:
        """Why the password of a request is not accepted; a request without one is asked for it, and is no attempt."""
        given = Headers(scope=scope).get("authorization", "")
        address = (scope.get("client") or ("",))[0]
        if self.login is None:
            return None
        challenge = {"WWW-Authenticate": 'Basic realm="Speech Studio", charset="UTF-8"'}
        refusal = PlainTextResponse("This studio asks for a login.", 401, challenge)
        if not given or self.attempts.was_tried(address, given):
            return refusal
        if wait := self.attempts.wait(address):
            what = f"Too many wrong passwords from your address. Try again in {wait} s."
            return PlainTextResponse(what, 429, {"Retry-After": f"{wait}"})
        if self.login.admits(given):
            self.attempts.succeeded(address)
            return None
        self.attempts.failed(address, given)
        return refusal


def as_asked_for(scope: Scope, public: PublicUrl | None) -> Scope:
    """`scope` with the host and scheme that the browser asked for; of other proxies nothing is believed.

    Gradio builds addresses of them, which a proxy that rewrites `Host` would make unreachable.
    """
    forwarded = (b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server")
    kept = [(name, value) for name, value in scope["headers"] if name not in forwarded]
    if public is None:
        return {**scope, "headers": kept}
    kept = [(name, public.netloc.encode() if name == b"host" else value) for name, value in kept]
    secure = {"http": "https", "ws": "wss"}
    return {**scope, "headers": kept, "scheme": secure.get(scope.get("scheme", "http"), scope.get("scheme"))}


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in ANSWER_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
