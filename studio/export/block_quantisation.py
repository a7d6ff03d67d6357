"""ggml's types of tensors: floats, and blocks of 32 values that share a scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Kind:
    """One type."""

    name: str
    number: int  # ggml's, in the file
    block: int  # values that are kept together
    size: int  # bytes of a block


F32 = Kind("f32", 0, 1, 4)
F16 = Kind("f16", 1, 1, 2)
Q5_0 = Kind("q5_0", 6, _BLOCK, 2 + 4 + 16)  # the scale in fp16, the fifth bits, the lower four
Q8_0 = Kind("q8_0", 8, _BLOCK, 2 + 32)  # the scale in fp16, a byte each
_BY_NUMBER = {kind.number: kind for kind in (F32, F16, Q5_0, Q8_0)}


def packed(values: NDArray[np.float32], kind: Kind) -> bytes:
    """`values`, whose last dimension is a whole number of blocks, as `kind`."""
    if kind == F32:
        return values.astype("<f4").tobytes()
    if kind == F16:
        return values.astype("<f2").tobytes()
    blocks = values.reshape(-1, _BLOCK)
    return (_eight_bits if kind == Q8_0 else _five_bits)(blocks)


def unpacked(stream: IO[bytes], number: int, shape: Sequence[int]) -> NDArray[np.float32]:
    """The tensor of `shape` that comes next in `stream`, kept as the type of `number`."""
    import numpy as np

    kind = _BY_NUMBER[number]
    raw = np.frombuffer(stream.read(math.prod(shape) // kind.block * kind.size), np.uint8)
    if kind in (F32, F16):
        floats: NDArray[np.float32] = raw.view("<f4" if kind == F32 else "<f2").astype(np.float32)
        return floats.reshape(shape)
    blocks = raw.reshape(-1, kind.size)
    scales: NDArray[np.float32] = blocks[:, :2].copy().view("<f2").astype(np.float32)
    if kind == Q8_0:
        return _scaled(scales, blocks[:, 2:].view(np.int8)).reshape(shape)
    fifth = np.unpackbits(blocks[:, 2:6], axis=1, bitorder="little")
    lower = np.concatenate([blocks[:, 6:] & 15, blocks[:, 6:] >> 4], axis=1)
    return _scaled(scales, (lower | fifth << 4).astype(np.int8) - 16).reshape(shape)


def _scaled(scales: NDArray[np.float32], steps: NDArray[np.int8]) -> NDArray[np.float32]:
    """As ggml computes it: in fp32, of a scale that fp16 has rounded."""
    import numpy as np

    return scales * steps.astype(np.float32)


def _eight_bits(blocks: NDArray[np.float32]) -> bytes:
    """Each value as a whole number of scales, -127 to 127: the largest of a block is 127 of them."""
    import numpy as np

    scales = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    steps: NDArray[np.int8] = np.rint(blocks * _inverse(scales)).astype(np.int8)
    return _joined(scales, steps.view(np.uint8))


def _five_bits(blocks: NDArray[np.float32]) -> bytes:
    """Each value as a whole number of scales, -16 to 15: the largest of a block, whatever its sign, is -16 of them."""
    import numpy as np

    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scales = largest / np.float32(-16)
    steps = np.clip(np.floor(blocks * _inverse(scales) + 16.5), 0, 31).astype(np.uint8)
    fifth = np.packbits(steps >> 4, axis=1, bitorder="little")
    lower = steps[:, : _BLOCK // 2] & 15 | (steps[:, _BLOCK // 2 :] & 15) << 4
    return _joined(scales, fifth, lower)


def _inverse(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / scale, and 0 for a block of zeros."""
    import numpy as np

    return np.divide(1, scales, out=np.zeros_like(scales), where=scales != 0)


def _joined(scales: NDArray[np.float32], *parts: NDArray[np.uint8]) -> bytes:
    import numpy as np

    return np.concatenate([scales.astype("<f2").view(np.uint8), *parts], axis=1).tobytes()
