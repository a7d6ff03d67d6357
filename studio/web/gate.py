"""Who may ask: the rules of the page, with a key in place of its login, and refusals in OpenAI's words."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.errors import ConfigError, TooLargeError
from studio.web.bodies import LARGEST_UPLOAD, announced, counted
from studio.web.login import is_common
from studio.web.security import SAFE_METHODS, HostRule, is_loopback, is_same_origin

SHORTEST_KEY = 16  # characters
HOW_TO_MAKE_ONE = "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe())' > key.txt"


@dataclass(frozen=True, slots=True)
class Key:
    """What a program has to show."""

    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Key:
        """The key in `text`. Raises ConfigError where it is short."""
        secret = text.strip()
        if len(secret) < SHORTEST_KEY or not secret.isascii() or not secret.isprintable() or " " in secret:
            raise ConfigError(
                f"A key needs at least {SHORTEST_KEY} letters and digits, without spaces.",
                HOW_TO_MAKE_ONE,
            )
        if is_common(secret):
            raise ConfigError("The key is among the first that an attacker would try.", HOW_TO_MAKE_ONE)
        return cls(secret)

    def admits(self, authorization: str) -> bool:
        """Whether the value of an `Authorization` header shows this key (compared in constant time)."""
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.secret.encode())


def require_key(host: str, port: int, key: Key | None) -> None:
    """Raise ConfigError where other computers could ask without a key."""
    if key is None and not is_loopback(host):
        raise ConfigError(
            f"Listening on {host} would open the model to other computers.",
            f"Keep the default address and reach it by “ssh -L {port}:localhost:{port} <this computer>”, or write a "
            "key into a file and give it with --key (or in $STUDIO_SERVE_KEY).",
        )


def refusal(status: int, message: str, code: str, param: str | None = None, **headers: str) -> JSONResponse:
    """An error as OpenAI's clients read it; `headers` with underscores."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, {name.replace("_", "-"): value for name, value in headers.items()})


class ApiGate:
    """ASGI middleware in front of everything."""

    def __init__(self, app: ASGIApp, hosts: HostRule, key: Key | None) -> None:
        self.app, self.hosts, self.key = app, hosts, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refused := self._refusal(scope)):
            return await refused(scope, receive, send)
        await self.app(scope, counted(receive, LARGEST_UPLOAD, _too_large), send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if not self.hosts.admits(headers.get("host", "")):
            return refusal(421, "This server does not answer to that host name.", "unknown_host")
        if scope["method"] not in SAFE_METHODS and not is_same_origin(headers, scope.get("scheme", "http")):
            return refusal(403, "The request came from a web site.", "foreign_origin")
        if self.key and not self.key.admits(headers.get("authorization", "")):
            return refusal(401, "The API key is missing or wrong.", "invalid_api_key", WWW_Authenticate="Bearer")
        if announced(headers) > LARGEST_UPLOAD:
            error = _too_large()
            return refusal(error.status, str(error), error.api_code)
        return None


def _too_large() -> TooLargeError:
    what = f"The request is larger than {LARGEST_UPLOAD >> 20} MB."
    return TooLargeError(what, "Send a compressed or a shorter file.")
