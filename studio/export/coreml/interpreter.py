"""What a Core ML package computes, worked out in PyTorch: Core ML itself runs on Apple's machines alone.

It reads the saved package, with the weights as they lie there, and rounds each result to what the operation's type
holds. Only the operations that our own packages have are known. They are Apple's MIL, version iOS 18:
https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from studio.errors import ModelError

Values = dict[str, Any]  # of the variables of a program, by name


class Interpreter:
    """The function of a package. Its states begin as zeros and are kept from call to call."""

    def __init__(self, package: Path) -> None:
        import coremltools
        from coremltools.converters.mil.frontend.milproto.load import load

        model = coremltools.models.MLModel(str(package), skip_model_load=True)
        spec = model.get_spec()
        program = load(spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir)
        self._function = program.functions["main"]
        self._constants: Values = {}
        self._states: Values = {}

    def predict(self, given: Mapping[str, Any]) -> Values:
        """The outputs by name, of inputs by name; tensors of PyTorch. Raises ModelError on an unknown operation."""
        values = {name: _rounded(value, self._function.inputs[name]) for name, value in given.items()}
        for operation in self._function.operations:
            names = [output.name for output in operation.outputs]
            if operation.op_type == "const" or self._constants.keys() >= set(names):
                continue
            found = self._computed(operation, values)
            kept = self._constants if operation.op_type.startswith("constexpr") else values
            for output, value in zip(operation.outputs, found, strict=True):
                kept[output.name] = _rounded(value, output)
        return {output.name: values[output.name] for output in self._function.outputs}

    def _computed(self, operation: Any, values: Values) -> Sequence[Any]:
        name = operation.op_type
        if name == "read_state":
            return [self._state(operation.inputs["input"])]
        inputs = {key: self._value(each, values) for key, each in operation.inputs.items() if each is not None}
        if name in ("coreml_update_state", "write_state"):
            self._states[operation.inputs["state"].name] = inputs["value"]
            return [inputs["value"]] * len(operation.outputs)
        if name not in _OPERATIONS:
            raise ModelError(f"The package has an operation that is not known here: {name}.", "Check it on a Mac.")
        found = _OPERATIONS[name](inputs)
        return found if isinstance(found, (list, tuple)) else [found]

    def _state(self, variable: Any) -> Any:
        import torch

        shape = [int(size) for size in variable.shape]
        return self._states.setdefault(variable.name, torch.zeros(shape))

    def _value(self, variable: Any, values: Values) -> Any:
        if isinstance(variable, (list, tuple)):
            return [self._value(each, values) for each in variable]
        if variable.name in values:
            return values[variable.name]
        if variable.name not in self._constants:
            self._constants[variable.name] = _constant(variable.val)
        return self._constants[variable.name]


def _constant(value: Any) -> Any:
    """A value in a package as PyTorch's; numbers with a point in fp32, and words as they are."""
    import numpy as np
    import torch

    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return value
    tensor = torch.from_numpy(np.array(array))
    if tensor.is_floating_point():
        return tensor.float()
    return tensor if tensor.dtype in (torch.bool, torch.int8) else tensor.long()


def _rounded(value: Any, variable: Any) -> Any:
    """`value` as the type of its variable holds it."""
    from coremltools.converters.mil.mil import types

    if variable.dtype == types.fp16 and value.is_floating_point():
        return value.half().float()
    return value


def _numbers(value: Any) -> list[int]:
    """The integers in a tensor."""
    return [int(each) for each in value.reshape(-1)]


def _pad(given: Values) -> Any:
    """The numbers before and behind each axis, the last axes' last; PyTorch takes them from the last axis on."""
    from torch.nn import functional

    pairs = given["pad"].reshape(-1, 2).tolist()
    while not any(pairs[0]):
        del pairs[0]  # PyTorch mirrors the last axes alone
    sides = [side for pair in reversed(pairs) for side in pair]
    mode = str(given["mode"]) if "mode" in given else "constant"
    return functional.pad(given["x"], sides, mode, *([float(given["constant_val"])] if mode == "constant" else []))


def _max(given: Values) -> Any:
    return given["x"].amax(_numbers(given["axes"]), keepdim=bool(given["keep_dims"]))


def _two(name: str) -> Callable[[Values], Any]:
    """PyTorch's function of two tensors, called `name`."""

    def computed(given: Values) -> Any:
        import torch

        return getattr(torch, name)(given["x"], given["y"])

    return computed


def _one(name: str) -> Callable[[Values], Any]:
    """PyTorch's function of one tensor, called `name`."""

    def computed(given: Values) -> Any:
        import torch

        return getattr(torch, name)(given["x"])

    return computed


def _cast(given: Values) -> Any:
    import torch

    kinds = {"fp16": torch.float, "fp32": torch.float, "bool": torch.bool}
    return given["x"].to(kinds.get(str(given["dtype"]), torch.long))


def _conv(given: Values) -> Any:
    from torch.nn import functional

    (stride,) = _numbers(given["strides"])
    padded = functional.pad(given["x"], _numbers(given["pad"])) if "pad" in given else given["x"]
    return functional.conv1d(padded, given["weight"], given.get("bias"), stride=stride)


def _gelu(given: Values) -> Any:
    from torch.nn import functional

    return functional.gelu(given["x"], approximate="tanh" if "TANH" in str(given.get("mode")) else "none")


def _linear(given: Values) -> Any:
    from torch.nn import functional

    return functional.linear(given["x"], given["weight"], given.get("bias"))


def _matmul(given: Values) -> Any:
    left = given["x"].mT if given.get("transpose_x") else given["x"]
    return left @ (given["y"].mT if given.get("transpose_y") else given["y"])


def _layer_norm(given: Values) -> Any:
    from torch.nn import functional

    shape = [given["x"].shape[axis] for axis in _numbers(given["axes"])]
    return functional.layer_norm(given["x"], shape, given.get("gamma"), given.get("beta"), float(given["epsilon"]))


def _mean(given: Values) -> Any:
    return given["x"].mean(_numbers(given["axes"]), keepdim=bool(given["keep_dims"]))


def _select(given: Values) -> Any:
    import torch

    return torch.where(given["cond"].bool(), given["a"], given["b"])


def _shape(given: Values) -> Any:
    import torch

    return torch.tensor(given["x"].shape)


def _reshape(given: Values) -> Any:
    """0 keeps a length."""
    sizes = [given["x"].shape[axis] if size == 0 else size for axis, size in enumerate(_numbers(given["shape"]))]
    return given["x"].reshape(sizes)


def _expand_dims(given: Values) -> Any:
    found = given["x"]
    for axis in sorted(_numbers(given["axes"])):
        found = found.unsqueeze(axis)
    return found


def _squeeze(given: Values) -> Any:
    return given["x"].squeeze(tuple(_numbers(given["axes"]))) if "axes" in given else given["x"].squeeze()


def _concat(given: Values) -> Any:
    import torch

    parts = [each if each.dim() else each[None] for each in given["values"]]
    return torch.cat(parts, int(given["axis"]))


def _stack(given: Values) -> Any:
    import torch

    return torch.stack(given["values"], int(given["axis"]))


def _split(given: Values) -> Any:
    axis = int(given["axis"])
    if "split_sizes" in given:
        return given["x"].split(_numbers(given["split_sizes"]), axis)
    return given["x"].chunk(int(given["num_splits"]), axis)


def _gather(given: Values) -> Any:
    axis, indices = int(given["axis"]), given["indices"].long()
    found = given["x"].index_select(axis, indices.reshape(-1))
    return found.reshape((*found.shape[:axis], *indices.shape, *found.shape[axis + 1 :]))


def _index(given: Values) -> tuple[Any, ...]:
    """What begin, end and stride say, as an index; a mask makes an axis whole on one side or takes one index of it."""
    begins, ends = _numbers(given["begin"]), _numbers(given["end"])
    strides = _numbers(given["stride"]) if "stride" in given else [1] * len(begins)
    masks = [
        given[f"{name}_mask"].reshape(-1).tolist() if f"{name}_mask" in given else [False] * len(begins)
        for name in ("begin", "end", "squeeze")
    ]
    return tuple(
        begin if single else slice(None if from_start else begin, None if to_end else end, stride)
        for begin, end, stride, from_start, to_end, single in zip(begins, ends, strides, *masks, strict=True)
    )


def _slice(given: Values) -> Any:
    return given["x"][_index(given)]


def _slice_update(given: Values) -> Any:
    found, index = given["x"].clone(), _index(given)
    found[index] = given["update"].reshape(found[index].shape)
    return found


def _unpacked(given: Values) -> Any:
    """Weights of 8 bits: each block has a scale."""
    scale, data = given["scale"], given["data"].float()
    for axis, size in enumerate(data.shape):
        scale = scale.repeat_interleave(size // scale.shape[axis], axis)
    return (data - given["offset"].float() if "offset" in given else data) * scale


_OPERATIONS: Mapping[str, Callable[[Values], Any]] = MappingProxyType({
    "add": _two("add"), "sub": _two("sub"), "mul": _two("mul"), "real_div": _two("div"), "pow": _two("pow"),
    "equal": _two("eq"), "less": _two("lt"), "less_equal": _two("le"), "greater_equal": _two("ge"),
    "floor_div": _two("floor_divide"), "minimum": _two("minimum"), "maximum": _two("maximum"),
    "tanh": _one("tanh"), "sqrt": _one("sqrt"), "square": _one("square"), "sigmoid": _one("sigmoid"),
    "identity": lambda given: given["x"],
    "silu": lambda given: given["x"] * given["x"].sigmoid(),
    "log": lambda given: (given["x"] + float(given["epsilon"])).log(),
    "rsqrt": lambda given: (given["x"] + float(given["epsilon"])).rsqrt(),
    "softmax": lambda given: given["x"].softmax(int(given["axis"])),
    "tile": lambda given: given["x"].repeat(_numbers(given["reps"])),
    "transpose": lambda given: given["x"].permute(_numbers(given["perm"])),
    "cast": _cast, "conv": _conv, "gelu": _gelu, "linear": _linear, "matmul": _matmul, "layer_norm": _layer_norm,
    "reduce_mean": _mean, "select": _select, "shape": _shape, "reshape": _reshape, "expand_dims": _expand_dims,
    "squeeze": _squeeze, "concat": _concat, "stack": _stack, "split": _split, "gather": _gather,
    "slice_by_index": _slice, "slice_update": _slice_update, "pad": _pad, "reduce_max": _max,
    "constexpr_blockwise_shift_scale": _unpacked,
})  # fmt: skip
