"""Which texts are computed together: few, of nearly the same length.

A run costs about 20 tokens more than it computes, so batches pay for short texts; a batch of more than 512 tokens is no
cheaper per token, only larger in memory and later to end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codingbrain.inference.tokens import PAD

_ROWS: Final = 8
_TOKENS: Final = 512
_PADDING: Final = 32


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts by their places in the caller's sequence, and their ids: shape (texts, longest), filled up with `PAD`."""

    places: list[int]
    ids: NDArray[np.int64]


def batches(rows: Sequence[Sequence[int]]) -> Iterator[Batch]:
    """Each row of ids once, shortest first: at most 8 in a batch, 512 ids in all, 32 of padding to a row."""
    places: list[int] = []
    for place in sorted(range(len(rows)), key=lambda place: len(rows[place])):
        longest = len(rows[place])
        if places and (len(places) == _ROWS or _wasteful(len(places) + 1, len(rows[places[0]]), longest)):
            yield _batch(places, rows)
            places = []
        places.append(place)
    if places:
        yield _batch(places, rows)


def _wasteful(count: int, shortest: int, longest: int) -> bool:
    return count * longest > _TOKENS or longest - shortest > _PADDING


def _batch(places: list[int], rows: Sequence[Sequence[int]]) -> Batch:
    ids = np.full((len(places), len(rows[places[-1]])), PAD, np.int64)
    for target, place in zip(ids, places, strict=True):
        target[: len(rows[place])] = rows[place]
    return Batch(places, ids)
