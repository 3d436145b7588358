"""Sign bits: which rows are worth a score.

Signs keep the order of cosines well enough to choose candidates (Charikar, STOC 2002), if they are taken around the
mean of the vectors, since embeddings of one model lean to one side, and if a sign that differs from the query's counts
the more the farther the query's own component is from that mean. Such weighted counts are sums of plain ones, bit by
bit (Gao and Long, "RaBitQ", SIGMOD 2024).
"""

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

_WEIGHT: Final = 1.2
"""The weight of a component of average size: those of two and a half times that size have the largest."""


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
        for column, words in zip(self._words, _packed(vectors > self._center), strict=True):
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
        """Those of `rows` that differ least from `vector`: `wanted`, and all that tie with the last."""
        asked = vector - self._center
        # Reading all rows in order is faster than picking more than half of them.
        if 2 * len(rows) > len(self._words[0]):
            differing = _differing(self._words, asked)[rows]
        else:
            differing = _differing([words[rows] for words in self._words], asked)
        most = np.searchsorted(np.cumsum(np.bincount(differing)), wanted)
        return rows[differing <= most]


def weights(asked: Floats) -> NDArray[np.uint8]:
    """What a differing sign costs in each component, from 0 to 3."""
    sizes = np.abs(asked)
    return np.minimum(3, np.rint(_WEIGHT * sizes / max(float(sizes.mean()), 1e-9))).astype(np.uint8)


def _differing(words: Sequence[Words], asked: Floats) -> NDArray[np.uint16]:
    """The sum of the weights of the differing signs: two bits of each weight, counted apart."""
    weight = weights(asked)
    signs, ones, twos = (_packed(plane[None, :])[:, 0] for plane in (asked > 0, weight % 2 == 1, weight > 1))
    low, high = np.zeros(len(words[0]), np.uint16), np.zeros(len(words[0]), np.uint16)
    for column, sign, one, two in zip(words, signs, ones, twos, strict=True):
        differs = column ^ sign
        low += np.bitwise_count(differs & one)
        high += np.bitwise_count(differs & two)
    return low + 2 * high


def _mean(codes: Codes, factors: Floats) -> Floats:
    total = np.zeros(codes.shape[1])
    for block in _blocks(codes, factors):
        total += block.sum(axis=0)
    return (total / len(codes)).astype(np.float32)


def _blocks(codes: Codes, factors: Floats) -> Iterator[Floats]:
    for start in range(0, len(codes), _BLOCK):
        yield decode(codes[start : start + _BLOCK], factors[start : start + _BLOCK])


def _packed(bits: NDArray[np.bool_]) -> Words:
    """Bits of shape (vectors, dimension) as shape (words, vectors): a scan runs along the vectors, word by word."""
    packed = np.packbits(bits, axis=-1)
    padded = np.zeros((len(bits), -(-packed.shape[-1] // 8) * 8), np.uint8)
    padded[:, : packed.shape[-1]] = packed
    return np.ascontiguousarray(padded.view(np.uint64).T)
