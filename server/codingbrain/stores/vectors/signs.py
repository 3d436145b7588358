"""Sign bits around the mean: which rows are worth a score."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codingbrain.ports.vectors import Floats
from codingbrain.stores.vectors.codes import Codes, decode
from codingbrain.stores.vectors.column import Column

Rows = NDArray[np.intp]
Words = NDArray[np.uint64]

_BLOCK: Final = 4_096


class Signs:
    """The sign bits of all rows, around the mean that they had when this was made."""

    def __init__(self, codes: Codes, factors: Floats) -> None:
        self.centered = len(codes)
        self._center = _mean(codes, factors)
        self._words = [Column(np.uint64, room=len(codes)) for _ in range(-(-codes.shape[1] // 64))]
        for block in _blocks(codes, factors):
            self.append(block)

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return sum(column.nbytes for column in self._words)

    def append(self, vectors: Floats) -> None:
        """Add rows."""
        for column, words in zip(self._words, _packed(vectors - self._center), strict=True):
            column.append(words)

    def view(self) -> "Scan":
        """What is there now."""
        return Scan(self._center, [column.view for column in self._words])


class Scan:
    """The sign bits that one search sees."""

    def __init__(self, center: Floats, words: Sequence[Words]) -> None:
        self._center = center
        self._words = words

    def nearest(self, vector: Floats, rows: Rows, wanted: int) -> Rows:
        """Those of `rows` that differ from `vector` in the fewest signs: `wanted`, and all that tie with the last."""
        asked = _packed((vector - self._center)[None, :])[:, 0]
        # Reading all rows in order is faster than picking more than half of them.
        if 2 * len(rows) > len(self._words[0]):
            differing = _differing(self._words, asked)[rows]
        else:
            differing = _differing([words[rows] for words in self._words], asked)
        most = np.searchsorted(np.cumsum(np.bincount(differing)), wanted)
        return rows[differing <= most]


def _differing(words: Sequence[Words], asked: Words) -> NDArray[np.uint16]:
    differing = np.zeros(len(words[0]), np.uint16)
    for column, word in zip(words, asked, strict=True):
        differing += np.bitwise_count(column ^ word)
    return differing


def _mean(codes: Codes, factors: Floats) -> Floats:
    total = np.zeros(codes.shape[1])
    for block in _blocks(codes, factors):
        total += block.sum(axis=0)
    return (total / len(codes)).astype(np.float32)


def _blocks(codes: Codes, factors: Floats) -> Iterator[Floats]:
    for start in range(0, len(codes), _BLOCK):
        yield decode(codes[start : start + _BLOCK], factors[start : start + _BLOCK])


def _packed(vectors: Floats) -> Words:
    """Shape (words, vectors): a scan runs along the vectors, word by word."""
    packed = np.packbits(vectors > 0, axis=-1)
    padded = np.zeros((len(vectors), -(-packed.shape[-1] // 8) * 8), np.uint8)
    padded[:, : packed.shape[-1]] = packed
    return np.ascontiguousarray(padded.view(np.uint64).T)
