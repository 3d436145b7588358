"""The model's vectors agree with the published computation, written once more in plain numpy from the file's bytes."""

import json
import math
import struct
from collections.abc import Iterator
from typing import Any

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from codingbrain.inference import granite
from codingbrain.ports.embedder import Embedder

Floats = NDArray[np.float64]

TEXTS = [
    "The pool of database connections is limited to twenty.",
    "",
    "def retry(call, attempts=3):\n    for _ in range(attempts):\n\t\treturn call()",
    "naïve café – 数据库连接池 🚀 \x00",
    " ".join(f"Step {number}: deploy the billing service to region {number % 7}." for number in range(9)),
]


def parse(raw: bytes) -> tuple[dict[str, Floats], Tokenizer]:
    assert raw.startswith(b"HMSEMB01")
    (size,) = struct.unpack_from("<Q", raw, 8)
    header = json.loads(raw[16 : 16 + size])
    arch = header["arch"]
    assert (arch["heads"], arch["layers"], arch["layer_norm_eps"], arch["position_offset"]) == (12, 6, 1e-12, 2)
    assert (header["meta"]["pooling"], header["meta"]["normalize"]) == ("cls", True)
    assert (header["meta"]["query_prefix"], header["meta"]["passage_prefix"]) == ("", "")
    body = 16 + size + header["tokenizer_len"]
    return dict(tensors(raw, header["tensors"], body)), Tokenizer.from_buffer(raw[16 + size : body])


def tensors(raw: bytes, entries: list[dict[str, Any]], offset: int) -> Iterator[tuple[str, Floats]]:
    for entry in entries:
        shape, size = tuple(entry["shape"]), entry["len"]
        data = raw[offset : offset + size]
        offset += size
        if entry["dtype"] == "f32":
            yield entry["name"], np.frombuffer(data, "<f4").astype(np.float64).reshape(shape)
        else:
            count = math.prod(shape)
            values = np.frombuffer(data[:count], np.int8).reshape(-1, 64)
            scales = np.frombuffer(data[count:], "<f4")
            yield entry["name"], (values * scales[:, None].astype(np.float64)).reshape(shape)
    assert offset == len(raw)


def normal(states: Floats, weights: dict[str, Floats], name: str) -> Floats:
    centred = states - states.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return centred / deviation * weights[f"{name}.w"] + weights[f"{name}.b"]


def linear(states: Floats, weights: dict[str, Floats], name: str) -> Floats:
    return states @ weights[f"{name}.w"].T + weights[f"{name}.b"]


def gelu(states: Floats) -> Floats:
    return states * 0.5 * (1 + np.vectorize(math.erf)(states / math.sqrt(2)))


def attention(states: Floats, weights: dict[str, Floats], layer: str) -> Floats:
    length = len(states)
    joint = linear(states, weights, f"{layer}.qkv").reshape(length, 3, 12, 32)
    query, key, value = joint.transpose(1, 2, 0, 3)
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(32)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    context = shares / shares.sum(-1, keepdims=True) @ value
    return linear(context.transpose(1, 0, 2).reshape(length, 384), weights, f"{layer}.ao")


def forward(ids: list[int], weights: dict[str, Floats]) -> Floats:
    positions = weights["pos_emb"][2 : 2 + len(ids)]
    states = normal(weights["word_emb"][ids] + positions + weights["type_emb"][0], weights, "emb_ln")
    for layer in (f"l{number}" for number in range(6)):
        states = normal(states + attention(states, weights, layer), weights, f"{layer}.aln")
        wide = gelu(linear(states, weights, f"{layer}.f1"))
        states = normal(states + linear(wide, weights, f"{layer}.f2"), weights, f"{layer}.fln")
    return states[0] / np.linalg.norm(states[0])


@pytest.fixture(scope="module")
def model() -> Embedder:
    return granite.load("granite:", 1)


@pytest.fixture(scope="module")
def expected() -> NDArray[np.float64]:
    weights, tokenizer = parse(granite.bundled().read_bytes())
    return np.array([forward(tokenizer.encode(text).ids, weights) for text in TEXTS])


@pytest.mark.anyio
async def test_documents(model: Embedder, expected: Floats) -> None:
    with anyio.fail_after(30):
        vectors = await model.documents(TEXTS)
    assert np.sum(vectors * expected, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.abs(vectors - expected).max() < 1e-4


@pytest.mark.anyio
async def test_queries(model: Embedder, expected: Floats) -> None:
    with anyio.fail_after(30):
        vectors = np.array([await model.query(text) for text in TEXTS])
    assert np.abs(vectors - expected).max() < 1e-4
