"""Matrices of finished ONNX graphs in 8 bits, for graphs that others wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.export.onnx.graph import quantised


def in_bytes(path: Path) -> None:
    """Keep the matrices and embeddings of the graph in `path` in 8 bits, with a scale for each output and each row.

    Products with a matrix are computed in 8 bits by ONNX Runtime's dynamic quantisation, as Moonshine's makers do.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    _shrink_embeddings(model.graph)
    onnx.helper.set_model_props(model, {each.key: each.value for each in model.metadata_props} | _PREPARED)
    quantize_dynamic(
        model, path, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QUInt8,
        extra_options={"MatMulConstBOnly": True},
    )  # fmt: skip


_PREPARED = {"onnx.infer": "onnxruntime.quant"}  # the quantiser warns where no shapes were inferred for it


def _shrink_embeddings(graph: Any) -> None:
    """Each table whose rows are looked up, in bytes; the rows become numbers again when they are."""
    tables = {each.name: each for each in graph.initializer if len(each.dims) == 2}
    for node in list(graph.node):
        if node.op_type == "Gather" and node.input[0] in tables:
            place = list(graph.node).index(node)
            nodes, kept = _looked_up(node, tables[node.input[0]])
            graph.node.remove(node)
            for new in reversed(nodes):
                graph.node.insert(place, new)
            graph.initializer.remove(tables.pop(node.input[0]))
            graph.initializer.extend(kept)


def _looked_up(node: Any, table: Any) -> tuple[list[Any], list[Any]]:
    """What takes the place of `node`, and its weights: (bytes − 128) times the scale of their row."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    (_, ids), (out,) = node.input, node.output
    values, scales = quantised(numpy_helper.to_array(table), axis=0)
    parts = {f"{table.name}.bytes": values, f"{table.name}.scales": scales[:, None], f"{out}.zero": np.float32(128)}
    matrix, scale, zero = parts
    return [
        helper.make_node("Gather", [matrix, ids], [f"{out}.bytes"]),
        helper.make_node("Cast", [f"{out}.bytes"], [f"{out}.whole"], to=TensorProto.FLOAT),
        helper.make_node("Sub", [f"{out}.whole", zero], [f"{out}.centred"]),
        helper.make_node("Gather", [scale, ids], [f"{out}.scale"]),
        helper.make_node("Mul", [f"{out}.centred", f"{out}.scale"], [out]),
    ], [numpy_helper.from_array(np.asarray(value), name) for name, value in parts.items()]
