"""What `--on` may be: the address of a Ray cluster, or SkyPilot's name."""

from __future__ import annotations

from importlib.util import find_spec
from urllib.parse import urlsplit

from studio.errors import ConfigError, DeviceError

SKY = "sky"
_EXAMPLES = "Such as http://head-node:8265 (Ray's dashboard) or ray://head-node:10001."


def checked(on: str) -> str:
    """`on` if it can be an address of a Ray cluster. Nothing is contacted. Raises ConfigError.

    Names and passwords are refused: the address is shown in the page and kept with the run.
    """
    address = on.strip().rstrip("/")
    if not address:
        raise ConfigError("on: the address of the cluster is missing.", _EXAMPLES)
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"on: “{on[:80]}” is not an address.", _EXAMPLES) from None
    if parts.scheme not in ("http", "https", "ray") or not host or any(character.isspace() for character in address):
        raise ConfigError(f"on: “{on[:80]}” is not the address of a Ray cluster.", _EXAMPLES)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            "on: a cluster’s address may not contain a password or a query.", "Open a tunnel to the cluster instead."
        )
    return address


def is_ray_here() -> bool:
    """Whether Ray is installed, without importing it."""
    return find_spec("ray") is not None


def require_ray() -> None:
    """Raises DeviceError where Ray, which speaks to its clusters, is not installed here."""
    if not is_ray_here():
        raise DeviceError(
            "Ray is not installed; it is needed to reach its clusters.",
            "Install it: pip install 'speech-studio[cluster]'",
        )
