"""Where a server listens, and what a browser on this computer calls it."""

from __future__ import annotations

import socket
import sys

from studio.errors import DeviceError


def listen(host: str, port: int, command: str = "studio ui") -> socket.socket:
    """A socket bound to `host:port`, so that no other program can take the port while Gradio is imported.

    Raises DeviceError, naming the next free port, where it is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise DeviceError(
            f"Port {port} of {host} cannot be used: {(error.strerror or str(error)).lower()}.",
            f"Is it open already? Otherwise: {command} --port {_next_free(host, port, family)}",
        ) from error
    listener.listen()
    return listener


def address_of(host: str, port: int) -> str:
    """What to type into a browser on this computer."""
    if host in ("127.0.0.1", "0.0.0.0", "::", "::1"):
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _next_free(host: str, port: int, family: int) -> int:
    for candidate in (*range(port + 1, min(port + 20, 65536)), 0):
        with socket.socket(family) as probe:
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0
