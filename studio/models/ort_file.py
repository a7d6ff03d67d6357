"""The weights in a file of ONNX Runtime's own format (.ort), and which layer each of them is of.

Such a file is a FlatBuffer; the numbers of its fields are those of ort.fbs in ONNX Runtime's sources
(onnxruntime/core/flatbuffers/schema). Only what weights need is read: names, shapes, bytes, and the nodes' names,
from which follows which layer an unnamed matrix belongs to.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_KINDS: Mapping[int, type[np.generic]] = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
_MODEL, _GRAPH = 1, 7  # fields of the session, and of the model
_INITIALIZERS, _NODES = 0, 2  # of a graph
_NAME, _DIMS, _KIND, _BYTES = 0, 2, 3, 4  # of a tensor
_INPUTS, _OUTPUTS, _ATTRIBUTES = 8, 9, 10  # of a node
_SUBGRAPH = 7  # of an attribute
_RESULT = re.compile(r"/(.+)/(?:MatMul|Add|Mul)_output_0")  # what a layer's product, or sum, is called
_ADDED = re.compile(r"_merged_\d+$|_add_tensor$")  # to names: of what two branches share, and of what was rearranged
_NAMELESS = {"onnx::MatMul": "weight", "onnx::Mul": "weight", "onnx::Add": "bias"}


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a FlatBuffer: where it begins, and by its own list where each of its fields lies."""

    data: bytes
    place: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _number("<I", data, 0))

    def table(self, field: int) -> _Table | None:
        place = self._followed(field)
        return None if place is None else _Table(self.data, place)

    def tables(self, field: int) -> Iterator[_Table]:
        return (_Table(self.data, place) for place in self._items(field))

    def text(self, field: int) -> str:
        place = self._followed(field)
        return "" if place is None else _text(self.data, place)

    def texts(self, field: int) -> list[str]:
        return [_text(self.data, place) for place in self._items(field)]

    def number(self, field: int) -> int:
        place = self._field(field)
        return 0 if place is None else _number("<i", self.data, place)

    def values(self, field: int, kind: type[np.generic]) -> Array:
        """What lies in a vector of numbers; its size counts items for `dims`, bytes for raw data."""
        place = self._followed(field)
        if place is None:
            return np.zeros(0, kind)
        size = _number("<I", self.data, place)
        count = size // np.dtype(kind).itemsize if field == _BYTES else size
        return np.frombuffer(self.data, kind, count, place + 4)

    def _field(self, field: int) -> int | None:
        fields = self.place - _number("<i", self.data, self.place)
        entry = 4 + 2 * field
        if entry >= _number("<H", self.data, fields):
            return None
        offset = _number("<H", self.data, fields + entry)
        return self.place + offset if offset else None

    def _followed(self, field: int) -> int | None:
        place = self._field(field)
        return None if place is None else place + _number("<I", self.data, place)

    def _items(self, field: int) -> Iterator[int]:
        start = self._followed(field)
        if start is not None:
            for place in range(start + 4, start + 4 + 4 * _number("<I", self.data, start), 4):
                yield place + _number("<I", self.data, place)


def weights(data: bytes) -> dict[str, Array]:
    """Every weight by the name of its layer, in fp32; 8-bit ones as `scale * (value - zero point)`.

    Matrices that nodes multiply by, which have no name of their own, come as (output, input) under their layer's name.
    Raises ValueError or struct.error where `data` is no such file.
    """
    model = _Table.root(data).table(_MODEL)
    graph = model.table(_GRAPH) if model else None
    if graph is None:
        raise ValueError("no model in it")
    found: dict[str, Array] = {}
    layers: dict[str, str] = {}
    for each in _graphs(graph):
        found |= {tensor.text(_NAME): _array(tensor) for tensor in each.tables(_INITIALIZERS)}
        for node in each.tables(_NODES):
            if made := next(filter(None, map(_RESULT.match, node.texts(_OUTPUTS))), None):
                layers |= {name: made[1].replace("/", ".") for name in node.texts(_INPUTS)}
    return dict(_named(found, layers))


def _named(found: Mapping[str, Array], layers: Mapping[str, str]) -> Iterator[tuple[str, Array]]:
    for name, value in found.items():
        of = name.removesuffix("_quantized")
        if of != name:
            value = (value.astype(np.float32) - found[f"{of}_zero_point"]) * found[f"{of}_scale"]
        kind = _NAMELESS.get(_ADDED.sub("", of).rsplit("_", 1)[0])
        if kind and name in layers:
            yield f"{layers[name]}.{kind}", value.T if of != name else value.reshape(-1)
        else:
            yield _ADDED.sub("", of), value


def _graphs(graph: _Table) -> Iterator[_Table]:
    """`graph` and those in its nodes: what is done at the first token, and at the others."""
    yield graph
    for node in graph.tables(_NODES):
        for attribute in node.tables(_ATTRIBUTES):
            if inner := attribute.table(_SUBGRAPH):
                yield from _graphs(inner)


def _array(tensor: _Table) -> Array:
    kind = _KINDS.get(tensor.number(_KIND), np.uint8)
    values, dims = tensor.values(_BYTES, kind), tensor.values(_DIMS, np.int64)
    return values.reshape(dims) if values.size == np.prod(dims, dtype=np.int64) else values


def _text(data: bytes, place: int) -> str:
    return data[place + 4 : place + 4 + _number("<I", data, place)].decode()


def _number(kind: str, data: bytes, place: int) -> int:
    return int(struct.unpack_from(kind, data, place)[0])
