"""The `.hmsemb` container: the tokenizer and the tensors of one embedding model in a single read-only file.

Layout, little-endian, nothing padded: the magic `HMSEMB01`, the header's length (u64), the header (JSON), the
tokenizer (JSON, as the `tokenizers` library writes it), then the tensors in the header's order. An `f32` tensor is its
values; an `i8` tensor is its values, then one f32 scale for each `group` neighbours along the last axis, and stands for
integer x scale.
"""

import hashlib
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from codingbrain.errors import ModelUnavailableError

_PROLOGUE: Final = 16
"""Bytes of the magic and the header's length."""


class Architecture(BaseModel):
    """The sizes of a RoBERTa-like encoder; the first token's position is `position_offset`."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocab: int
    max_positions: int
    type_vocab: int
    layer_norm_eps: float
    position_offset: int


class Entry(BaseModel):
    """A tensor as the header lists it; `len` counts bytes, scales included."""

    name: str
    dtype: Literal["f32", "i8"]
    shape: tuple[int, ...]
    len: int
    group: int


class Header(BaseModel):
    """What the file says about itself."""

    arch: Architecture
    tokenizer_len: int
    tensors: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Dense:
    """A tensor stored as f32."""

    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Quantised:
    """A tensor stored as integers of shape (…, n), mapped from the file, and scales of shape (…, n / group)."""

    values: NDArray[np.int8]
    scales: NDArray[np.float32]


Tensor = Dense | Quantised


@dataclass(frozen=True, slots=True)
class Pack:
    """An open container; integer tensors are views of the mapping and keep it open."""

    mapping: mmap.mmap
    header: Header
    tokenizer: bytes
    tensors: Mapping[str, Tensor]

    def release(self) -> None:
        """Drop the mapped pages from this process's memory; a page that is read again is mapped again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.mapping.madvise(mmap.MADV_DONTNEED)


def open_pack(path: Path, sha256: str, remedy: str) -> Pack:
    """Check the whole file against its digest (34 MB: 20 to 50 ms), then map it.

    Raises:
        ModelUnavailableError: the file is missing, unreadable, or another one; the message ends with `remedy`.
    """
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise ModelUnavailableError(f"The model file {path.name} is damaged or of another release: {remedy}")
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelUnavailableError(f"The model file {path.name} cannot be read: {remedy}") from error
    start = _PROLOGUE + int.from_bytes(mapping[8:_PROLOGUE], "little")
    header = Header.model_validate_json(mapping[_PROLOGUE:start])
    end = start + header.tokenizer_len
    return Pack(mapping, header, mapping[start:end], dict(_tensors(mapping, header.tensors, end)))


def _tensors(mapping: mmap.mmap, entries: tuple[Entry, ...], offset: int) -> Iterator[tuple[str, Tensor]]:
    for entry in entries:
        yield entry.name, _tensor(mapping, entry, offset)
        offset += entry.len


def _tensor(mapping: mmap.mmap, entry: Entry, offset: int) -> Tensor:
    count = prod(entry.shape)
    if entry.dtype == "f32":
        return Dense(_floats(mapping, count, offset).reshape(entry.shape))
    values = np.frombuffer(mapping, np.int8, count, offset).reshape(entry.shape)
    scales = _floats(mapping, count // entry.group, offset + count)
    return Quantised(values, scales.reshape(*entry.shape[:-1], -1))


def _floats(mapping: mmap.mmap, count: int, offset: int) -> NDArray[np.float32]:
    # A copy, because floats in the file are not aligned to their size.
    return np.frombuffer(mapping, np.dtype("<f4"), count, offset).astype(np.float32)
