#!/usr/bin/env python3
"""Write `granite.onnx`: the computation of the bundled embedding model, without its weights.

Needs `onnx` (a development dependency) and the installed weights, of which only the header is used. Run it after a
change here and commit the result; a test compares the two.

Input `ids`: int64 (texts, length), rows filled up with the padding id. Output `vectors`: f32 (texts, hidden), rows of
unit length. The word embeddings are inputs too; every other tensor of the weights file is an initializer of the same
name whose data the loader provides.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from codingbrain.inference import granite
from codingbrain.inference.network import SCALES, TABLE, VALUES
from codingbrain.inference.pack import Entry, Header, open_pack
from codingbrain.inference.tokens import PAD

OPSET: Final = 21
CONTRIB: Final = "com.microsoft"
IR: Final = 10


class Graph:
    """Nodes and initializers as they accumulate; each method returns the name of its result."""

    def __init__(self, header: Header) -> None:
        self.arch = header.arch
        self.entries = {entry.name: entry for entry in header.tensors}
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}

    def node(
        self, kind: str, inputs: Sequence[str], name: str, domain: str = "", **attributes: float | list[int]
    ) -> str:
        """An operation with one result."""
        node = helper.make_node(kind, inputs, [name], name, domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self.nodes.append(node)
        return name

    def constant(self, value: int | list[int]) -> str:
        """A scalar or vector of int64."""
        name = f"constant {value}"
        self.initializers[name] = numpy_helper.from_array(np.array(value, np.int64), name)
        return name

    def weight(self, name: str) -> str:
        """A tensor that the loader provides; a quantised one is restored to f32."""
        entry = self.entries[name]
        if entry.dtype == "f32":
            return self._provided(name, entry.shape, TensorProto.FLOAT)
        values = self._provided(name + VALUES, entry.shape, TensorProto.INT8)
        scales = self._provided(name + SCALES, _grouped(entry), TensorProto.FLOAT)
        return self.node("DequantizeLinear", [values, scales], name, axis=1, block_size=entry.group)

    def linear(self, source: str, weights: str, name: str) -> str:
        """`source` x transposed weights + bias."""
        across = self.node("Transpose", [self.weight(f"{weights}.w")], f"{weights}.across", perm=[1, 0])
        product = self.node("MatMul", [source, across], f"{name}.product")
        return self.node("Add", [product, self.weight(f"{weights}.b")], name)

    def normal(self, source: str, weights: str, name: str) -> str:
        """Layer normalisation."""
        inputs = [source, self.weight(f"{weights}.w"), self.weight(f"{weights}.b")]
        return self.node("LayerNormalization", inputs, name, epsilon=self.arch.layer_norm_eps)

    def first(self, source: str, name: str) -> str:
        """The first position of each row: (texts, length, n) to (texts, 1, n)."""
        zero, one = self.constant([0]), self.constant([1])
        return self.node("Slice", [source, zero, one, one], name)

    def _provided(self, name: str, shape: Sequence[int], kind: int) -> str:
        tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="provided by the loader")
        self.initializers[name] = tensor
        return name


def embed(graph: Graph) -> str:
    """Word, position and type embeddings, summed: (texts, length, hidden)."""
    table, arch = graph.entries[TABLE], graph.arch
    values = graph.node("Gather", [TABLE + VALUES, "ids"], "words.values")
    scales = graph.node("Gather", [TABLE + SCALES, "ids"], "words.scales")
    words = graph.node("DequantizeLinear", [values, scales], "words", axis=2, block_size=table.group)
    zero, one = graph.constant([0]), graph.constant([1])
    length = graph.node("Shape", ["ids"], "length", start=1, end=2)
    low, high = graph.constant([arch.position_offset]), graph.constant([arch.max_positions])
    usable = graph.node("Slice", [graph.weight("pos_emb"), low, high, zero], "positions.usable")
    kind = graph.node("Slice", [graph.weight("type_emb"), zero, one, zero], "type")
    typed = graph.node("Add", [usable, kind], "positions.typed")
    positions = graph.node("Slice", [typed, zero, length, zero], "positions")
    summed = graph.node("Add", [words, positions], "embedded.sum")
    return graph.normal(summed, "emb_ln", "embedded")


def layer(graph: Graph, number: int, source: str) -> str:
    """One encoder layer; of the last only the first position is computed, as nothing else is used."""
    name, hidden = f"l{number}", graph.arch.hidden
    joint = graph.linear(source, f"{name}.qkv", f"{name}.joint")
    query, key, value = (f"{name}.{part}" for part in ("query", "key", "value"))
    sizes = graph.constant([hidden] * 3)
    graph.nodes.append(helper.make_node("Split", [joint, sizes], [query, key, value], name=f"{name}.split", axis=-1))
    if number == graph.arch.layers - 1:
        query, source = graph.first(query, f"{query}.first"), graph.first(source, f"{name}.source.first")
    inputs = [query, key, value, "", "attended"]
    heads = graph.arch.heads
    context = graph.node("MultiHeadAttention", inputs, f"{name}.context", domain=CONTRIB, num_heads=heads)
    attended = graph.linear(context, f"{name}.ao", f"{name}.attention")
    between = graph.normal(graph.node("Add", [attended, source], f"{name}.sum"), f"{name}.aln", f"{name}.between")
    wide = graph.node("Gelu", [graph.linear(between, f"{name}.f1", f"{name}.wide")], f"{name}.gelu")
    narrow = graph.linear(wide, f"{name}.f2", f"{name}.narrow")
    return graph.normal(graph.node("Add", [narrow, between], f"{name}.total"), f"{name}.fln", name)


def build() -> ModelProto:
    """The whole model."""
    graph = Graph(open_pack(granite.bundled(), granite.SHA256, "install the weights.").header)
    padding = graph.node("Equal", ["ids", graph.constant(PAD)], "padding")
    real = graph.node("Not", [padding], "real")
    graph.node("Cast", [real], "attended", to=TensorProto.INT32)
    states = embed(graph)
    for number in range(graph.arch.layers):
        states = layer(graph, number, states)
    flat = graph.node("Squeeze", [states, graph.constant([1])], "flat")
    graph.node("LpNormalization", [flat], "vectors", axis=-1, p=2)
    return _model(graph)


def _model(graph: Graph) -> ModelProto:
    table, info = graph.entries[TABLE], helper.make_tensor_value_info
    inputs = [
        info("ids", TensorProto.INT64, ["texts", "length"]),
        info(TABLE + VALUES, TensorProto.INT8, table.shape),
        info(TABLE + SCALES, TensorProto.FLOAT, _grouped(table)),
    ]
    outputs = [info("vectors", TensorProto.FLOAT, ["texts", graph.arch.hidden])]
    body = helper.make_graph(graph.nodes, "granite", inputs, outputs, list(graph.initializers.values()))
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(body, opset_imports=imports, ir_version=IR)


def _grouped(entry: Entry) -> tuple[int, ...]:
    return (*entry.shape[:-1], entry.shape[-1] // entry.group)


if __name__ == "__main__":
    granite.GRAPH.write_bytes(build().SerializeToString(deterministic=True))
