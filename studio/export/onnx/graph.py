"""An ONNX graph, written node by node from a model's weights.

Written rather than traced: it takes seconds, needs no particular version of PyTorch, and says exactly which matrices
are 8 bits. Whether it computes what the model does is for the gate to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Precision = Literal["fp32", "int8"]
Shape = Sequence[int | str]  # a name stands for a length that differs from call to call

OPSET = 17  # the first with LayerNormalization; every runtime since 2022 has it
FLOAT, _BYTE, INTEGER = 1, 2, 7  # of onnx.TensorProto
_IR = 8  # of the same age: the package writes newer ones, which older runtimes refuse
_LEVELS = 127  # of 8 bits, each side of zero
_TINY = 1e-9  # keeps the scale of a row of zeros from being one
_ZERO = 128  # where zero lies in unsigned bytes


@dataclass(frozen=True, slots=True)
class Heads:
    """Into how many parts attention divides the hidden states, and how wide each is."""

    count: int
    width: int


class Graph:
    """Nodes and weights; each method adds what it computes and returns the name of the result.

    With `precision` int8 the matrices of `linear`, `conv` and `embedding` are 8 bits, with one scale for each output,
    and what they are multiplied by is made 8 bits as it comes: with one scale for all of it or, `by_row`, one for each
    token or frame.
    """

    def __init__(self, weights: Mapping[str, Array], precision: Precision, by_row: bool = False) -> None:
        self.weights = weights
        self.precision = precision
        self._by_row = by_row
        self._root = self
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._kept: dict[str, Array] = {}
        self._quantised: dict[str, tuple[str, str, str]] = {}  # a value in 8 bits, its scales, its zero, by its name
        self._count = 0

    def input(self, name: str, kind: type[np.generic], shape: Shape) -> str:
        """An input of the graph."""
        self._inputs.append(_described(name, kind, shape))
        return name

    def output(self, name: str, value: str, shape: Shape) -> None:
        """Give `value`, of float32, to the caller as `name`."""
        self._nodes.append(_node("Identity", [value], [name]))
        self._outputs.append(_described(name, np.float32, shape))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result."""
        return self.ops(kind, *inputs, results=1, **attributes)[0]

    def ops(self, kind: str, *inputs: str, results: int, **attributes: Any) -> list[str]:
        """A node with several results."""
        outputs = [self._name(kind) for _ in range(results)]
        self._nodes.append(_node(kind, inputs, outputs, **attributes))
        return outputs

    def constant(self, value: Any, kind: type[np.generic] = np.int64) -> str:
        """A number or an array of numbers; by default integers, as shapes and axes are."""
        array = np.asarray(value, kind)
        return self.keep(f"{array.dtype}_{'x'.join(map(str, array.shape))}_{array.tobytes().hex()}", array)

    def keep(self, name: str, value: Array) -> str:
        """Put a weight into the file, under `name`; once."""
        self._root._kept[name] = value
        return name

    def reshape(self, value: str, *shape: int) -> str:
        """0 keeps a length, -1 follows from the others."""
        return self.op("Reshape", value, self.constant(shape))

    def length(self, value: str, axis: int) -> str:
        """How long `value` is along an axis: one integer in a list."""
        return self.op("Shape", value, start=axis, end=axis + 1)

    def scalar(self, value: str) -> str:
        """The number in a list of one."""
        return self.op("Squeeze", value)

    def linear(self, value: str, layer: str) -> str:
        """(…, width) times the matrix of `layer`, plus its bias where it has one."""
        product = self._product(value, f"{layer}.weight", self.weights[f"{layer}.weight"].T)
        bias = self.weights.get(f"{layer}.bias")
        return product if bias is None else self.op("Add", product, self.keep(f"{layer}.bias", bias))

    def likeliest(self, value: str, layer: str) -> str:
        """(…, width) times the table of `layer`'s embeddings: a number for each of its rows."""
        return self._product(value, f"{layer}.weight", self.weights[f"{layer}.weight"].T)

    def embedding(self, ids: str, layer: str) -> str:
        """(batch, tokens, width): the rows of a table, of which the file has one copy, that of `likeliest`."""
        name, table = f"{layer}.weight", self.weights[f"{layer}.weight"].T
        if self.precision == "fp32":
            return self._columns(self.keep(f"{name}.T", np.ascontiguousarray(table)), ids)
        matrix, zero, scale = self._bytes(name, table, axis=1)
        columns = self.op("Cast", self._columns(matrix, ids), to=FLOAT)
        centred = self.op("Sub", columns, self.op("Cast", zero, to=FLOAT))
        each = self.op("Unsqueeze", self.op("Gather", scale, ids), self.constant([2]))
        return self.op("Mul", centred, each)

    def conv(self, value: str, layer: str, stride: int, padding: int = 0) -> str:
        """A convolution over time, of (batch, channels, time)."""
        name, kernel = f"{layer}.weight", self.weights[f"{layer}.weight"]
        if self.precision == "int8":
            matrix, zero, scale = self._bytes(name, kernel, axis=0)
            zeros = self.op("Expand", zero, self.constant([len(kernel)]))
            filters = self.op("DequantizeLinear", matrix, scale, zeros, axis=0)
        else:
            filters = self.keep(name, kernel)
        bias = self.weights.get(f"{layer}.bias")
        more = [] if bias is None else [self.keep(f"{layer}.bias", bias)]
        return self.op("Conv", value, filters, *more, strides=[stride], pads=[padding, padding])

    def norm(self, value: str, layer: str) -> str:
        """LayerNorm over the width, as PyTorch's by default."""
        names = [f"{layer}.{part}" for part in ("weight", "bias") if f"{layer}.{part}" in self.weights]
        return self.op("LayerNormalization", value, *(self.keep(n, self.weights[n]) for n in names), epsilon=1e-5)

    def gelu(self, value: str) -> str:
        """The exact one: half of `value` times 1 + erf(value / √2)."""
        error = self.op("Erf", self.op("Div", value, self.constant(np.sqrt(2), np.float32)))
        raised = self.op("Add", error, self.constant(1, np.float32))
        return self.op("Mul", self.op("Mul", value, raised), self.constant(0.5, np.float32))

    def heads(self, value: str, heads: Heads) -> str:
        """(batch, tokens, width) as (batch, heads, tokens, width of a head)."""
        return self.op("Transpose", self.reshape(value, 0, 0, heads.count, heads.width), perm=[0, 2, 1, 3])

    def attention(self, heads: Heads, query: str, key: str, value: str, mask: str = "") -> str:
        """What each token takes from the others, (batch, tokens, width); all three (batch, heads, tokens, width)."""
        scaled = self.op("Mul", query, self.constant(heads.width**-0.5, np.float32))
        weights = self.op("MatMul", scaled, self.op("Transpose", key, perm=[0, 1, 3, 2]))
        weights = self.op("Softmax", self.op("Add", weights, mask) if mask else weights, axis=-1)
        taken = self.op("Transpose", self.op("MatMul", weights, value), perm=[0, 2, 1, 3])
        return self.reshape(taken, 0, 0, -1)

    def either(
        self,
        condition: str,
        yes: Callable[[Graph], Sequence[str]],
        no: Callable[[Graph], Sequence[str]],
        ranks: Sequence[int],
    ) -> list[str]:
        """What `yes` computes or what `no` does, each in a graph of its own: float32 values of so many axes."""
        branches = {f"{name}_branch": self._branch(make, ranks) for name, make in (("then", yes), ("else", no))}
        return self.ops("If", condition, results=len(ranks), **branches)

    @property
    def size(self) -> int:
        """Bytes of the weights so far."""
        return sum(value.nbytes for value in self._kept.values())

    def model(self, metadata: Mapping[str, str] | None = None) -> Any:
        """The finished onnx.ModelProto."""
        from onnx import helper, numpy_helper

        kept = [numpy_helper.from_array(np.asarray(value, order="C"), name) for name, value in self._kept.items()]
        graph = helper.make_graph(self._nodes, "main", self._inputs, self._outputs, kept)
        model = helper.make_model(graph, ir_version=_IR, opset_imports=[helper.make_opsetid("", OPSET)])
        helper.set_model_props(model, dict(metadata or {}))
        return model

    def _branch(self, make: Callable[[Graph], Sequence[str]], ranks: Sequence[int]) -> Any:
        from onnx import helper

        inner = Graph(self.weights, self.precision, self._by_row)
        inner._root = self._root
        outputs = []
        for value, rank in zip(make(inner), ranks, strict=True):
            name = inner.op("Identity", value)
            outputs.append(_described(name, np.float32, [f"{name}_{axis}" for axis in range(rank)]))
        return helper.make_graph(inner._nodes, self._name("Branch"), [], outputs)

    def _product(self, value: str, name: str, matrix: Array) -> str:
        """`value` times `matrix` (input, output)."""
        if self.precision == "fp32":
            return self.op("MatMul", value, self.keep(f"{name}.T", matrix))
        weight, zero, scale = self._bytes(name, matrix, axis=1)
        if value not in self._quantised:
            self._quantised[value] = self._rows(value, zero) if self._by_row else self._whole(value)
        byte, its_scale, its_zero = self._quantised[value]
        sums = self.op("Cast", self.op("MatMulInteger", byte, weight, its_zero, zero), to=FLOAT)
        if self._by_row:  # one after the other: ONNX Runtime takes a product of both for a single scale, and errs
            return self.op("Mul", self.op("Mul", sums, its_scale), scale)
        return self.op("Mul", sums, self.op("Mul", its_scale, scale))

    def _whole(self, value: str) -> tuple[str, str, str]:
        """`value` in unsigned bytes, with one scale and one zero: the form that ONNX Runtime is quickest at."""
        byte, scale, zero = self.ops("DynamicQuantizeLinear", value, results=3)
        return byte, scale, zero

    def _rows(self, value: str, zero: str) -> tuple[str, str, str]:
        """`value` in unsigned bytes around 128, with a scale for each of its rows.

        For Whisper: the numbers of its first token are far larger than those of the others.
        """
        largest = self.op("ReduceMax", self.op("Abs", value), axes=[-1], keepdims=1)
        some = self.op("Add", largest, self.constant(_TINY, np.float32))
        scale = self.op("Div", some, self.constant(_LEVELS, np.float32))
        steps = self.op("Add", self.op("Round", self.op("Div", value, scale)), self.constant(_ZERO, np.float32))
        return self.op("Cast", steps, to=_BYTE), scale, zero

    def _bytes(self, name: str, matrix: Array, axis: int) -> tuple[str, str, str]:
        """The names of `matrix` in unsigned bytes, of their zero, and of the scales along `axis`."""
        names = f"{name}.bytes", self.keep("zero", np.array(_ZERO, np.uint8)), f"{name}.scale"
        if names[0] not in self._root._kept:
            values, scale = quantised(matrix, axis)
            self.keep(names[0], values)
            self.keep(names[2], scale)
        return names

    def _columns(self, matrix: str, ids: str) -> str:
        """(batch, tokens, width): of `matrix` (width, rows) the columns `ids`."""
        return self.op("Transpose", self.op("Gather", matrix, ids, axis=1), perm=[1, 2, 0])

    def _name(self, kind: str) -> str:
        self._root._count += 1
        return f"{kind}_{self._root._count}"


def quantised(matrix: Array, axis: int) -> tuple[Array, Array]:
    """`matrix` in unsigned bytes around 128, and the scale of each of its parts along `axis`.

    One scale for each output keeps a large row from coarsening all others; unsigned, since AVX2 processors add up
    products of unsigned and signed bytes in 16 bits, which overflow.
    """
    others = tuple(other for other in range(matrix.ndim) if other != axis)
    scale = np.abs(matrix).max(axis=others, keepdims=True) / _LEVELS
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    values = np.rint(matrix / scale) + _ZERO
    return values.astype(np.uint8), scale.reshape(-1)


def _node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, list(inputs), list(outputs), name=outputs[0], **attributes)


def _described(name: str, kind: type[np.generic], shape: Shape) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, _kind(kind), list(shape))


def _kind(kind: type[np.generic]) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
