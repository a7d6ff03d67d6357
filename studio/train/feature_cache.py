"""What the frozen part of a model makes of each clip, on the disk: memory stays flat, and the next run need not wait.

    .cache/features/3f/3f9c….features     SHA-256 of key and content (32 bytes), then the tensors as safetensors

The key is a hash of the samples that the network is given, and of everything else that its features depend on: its
frozen weights and settings, and what decides how floats are added. A file that is torn or altered counts as absent, so
nothing is flushed to the disk, and the folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from studio.models import Clip, Recogniser
from studio.models.base import Encodes

if TYPE_CHECKING:
    from studio.models.base import Row

MOST_BYTES = 10 * 10**9  # about 10,000 clips of 6 s for the streaming medium, 35,000 for Moonshine tiny
LEFT_FREE = 10**9  # bytes of the disk: for checkpoints, recordings and everybody else
_KEPT_SHARE = 0.9  # of the most there may be, once it is exceeded: so that it is not exceeded again at once
_DIGEST = 32  # bytes


class FeatureCache:
    """The features of one recogniser in `folder`, which others share.

    Beyond `most_bytes` those go that were not used for longest, but never those that this cache has met.
    """

    def __init__(self, folder: Path, recogniser: Recogniser, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self._most_bytes = folder, most_bytes
        self._beside = _all_but_the_sound(recogniser)
        self._met: set[str] = set()
        self._bytes = size_of(folder)

    def key(self, clip: Clip) -> str:
        """The name of what the recogniser makes of `clip`."""
        digest = hashlib.sha256(self._beside)
        digest.update(clip.samples.tobytes())
        return digest.hexdigest()

    def has(self, key: str) -> bool:
        """Whether there are features of that name, whole or not; they count as used now."""
        self._met.add(key)
        try:
            os.utime(self._path(key))
        except OSError:
            return False
        return True

    def read(self, key: str) -> Row | None:
        """The features, exactly as they were written; None where they are absent, torn or altered."""
        from safetensors.torch import load as from_bytes

        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        digest, tensors = content[:_DIGEST], content[_DIGEST:]
        return from_bytes(tensors) if digest == _digest(key, tensors) else None

    def write(self, key: str, features: Row) -> bool:
        """Keep `features`; False where the disk has no room for them, or cannot be written at all."""
        from safetensors.torch import save as to_bytes

        tensors = to_bytes({name: tensor.contiguous() for name, tensor in features.items()})
        path = self._path(key)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(path.parent).free < LEFT_FREE + len(tensors):
                return False
            temporary.write_bytes(_digest(key, tensors) + tensors)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            return False
        self._met.add(key)
        self._bytes += _DIGEST + len(tensors)
        if self._bytes > self._most_bytes:
            self._drop_unused()
        return True

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.features"

    def _drop_unused(self) -> None:
        found = sorted(_files(self.folder))
        self._bytes = sum(size for _, size, _ in found)
        for _, size, path in found:
            if self._bytes <= _KEPT_SHARE * self._most_bytes:
                return
            if path.stem not in self._met:
                self._bytes -= size
                path.unlink(missing_ok=True)


def open_cache(recogniser: Recogniser, folder: Path) -> FeatureCache | None:
    """The cache in `folder`; None where the family computes nothing expensive."""
    if not isinstance(recogniser.family, Encodes):
        return None
    return FeatureCache(folder, recogniser)


def size_of(folder: Path) -> int:
    """Bytes of all features in `folder`."""
    return sum(size for _, size, _ in _files(folder))


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each was used last, its bytes, and where it is."""
    for path in folder.glob("??/*"):
        with suppress(FileNotFoundError):  # another run has just dropped it
            found = path.stat()
            yield found.st_mtime, found.st_size, path


def _digest(key: str, tensors: bytes) -> bytes:
    return hashlib.sha256(key.encode() + tensors).digest()


def _all_but_the_sound(recogniser: Recogniser) -> bytes:
    """A hash of what features depend on besides the samples.

    The versions, the threads, the processor's instructions and who multiplies decide in which order floats are added:
    with others the features would differ in their last bits, and so would a run.
    """
    import torch
    import transformers

    from studio.models.kernels.linear import gains

    assert isinstance(recogniser.family, Encodes)
    parts = (
        recogniser.family.frozen_part(recogniser.model, recogniser.processor),
        recogniser.family.name, recogniser.device, recogniser.precision, torch.__version__, transformers.__version__,
        torch.get_num_threads(), torch.backends.cpu.get_cpu_capability(), gains(),
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).digest()
