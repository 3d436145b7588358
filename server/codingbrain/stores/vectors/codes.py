"""Vectors as 16-bit codes.

A vector is kept as whole numbers from -32,767 to 32,767 and the one factor that makes them its components again: half
of what floats take, and exact to some 0.00001 of a cosine. Unlike 16-bit floats, whole numbers are widened by vector
instructions.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codingbrain.ports.vectors import Floats

Codes = NDArray[np.int16]

_MOST: Final = 32_767


def form(dimension: int) -> np.dtype[Any]:
    """One stored vector: little-endian on every machine."""
    return np.dtype([("factor", "<f4"), ("codes", "<i2", (dimension,))])


def encode(vectors: Floats) -> NDArray[Any]:
    """Rows of shape (vectors, dimension) as records of `form`."""
    records = np.empty(len(vectors), form(vectors.shape[1]))
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    records["factor"] = np.where(largest > 0, largest, 1.0) / _MOST
    records["codes"] = np.rint(vectors / records["factor"][:, None])
    return records


def decode(codes: Codes, factors: Floats) -> Floats:
    """The vectors again: shape (vectors, dimension)."""
    return codes.astype(np.float32) * factors[:, None]


def cosines(codes: Codes, factors: Floats, vector: Floats) -> Floats:
    """Scores of shape (vectors,); not by BLAS, whose own threads fight with everybody else's."""
    return np.einsum("rd,d->r", codes.astype(np.float32), vector) * factors
