"""The bundled model's vectors of a collection, computed once and kept beside it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import numpy as np
from numpy.typing import NDArray

from codingbrain.inference import granite
from codingbrain.ports.embedder import Embedder
from tests.quality.collection import Collection, folder

Floats = NDArray[np.float32]

_BATCH = 64
_THREADS = 1


@dataclass(frozen=True, slots=True)
class Embedded:
    """Pieces of the texts, shape (pieces, dimension); `owners` (pieces,) are indices of texts; one row per question."""

    pieces: Floats
    owners: NDArray[np.intp]
    questions: Floats


def model() -> Embedder:
    """The embedding model that the product uses by default."""
    return granite.load("granite:", _THREADS)


def embedded(collection: Collection) -> Embedded:
    """The vectors of a collection, from the cache if it holds those of this model and these texts."""
    path = folder() / f"{collection.name}-{collection.digest[:16]}-{granite.MODEL.key}.npz"
    if not path.exists():
        made = anyio.run(_embed, collection)
        np.savez(path, pieces=made.pieces, owners=made.owners, questions=made.questions)
    with np.load(path) as kept:
        return Embedded(kept["pieces"], kept["owners"], kept["questions"])


async def _embed(collection: Collection) -> Embedded:
    embedder, started = model(), time.perf_counter()
    split = [embedder.split(text.text) for text in collection.texts]
    owners = [index for index, pieces in enumerate(split) for _ in pieces]
    pieces = await in_batches(embedder, [piece for pieces in split for piece in pieces])
    questions = np.stack([await embedder.query(question.text) for question in collection.questions])
    print(f"{collection.name}: embedded {len(pieces)} pieces in {time.perf_counter() - started:.0f} s")
    return Embedded(pieces, np.array(owners, dtype=np.intp), questions)


async def in_batches(embedder: Embedder, pieces: Sequence[str]) -> Floats:
    """Vectors of pieces, shape (pieces, dimension), a bounded number at a time."""
    batches = [pieces[start : start + _BATCH] for start in range(0, len(pieces), _BATCH)]
    return np.concatenate([await embedder.documents(batch) for batch in batches])
