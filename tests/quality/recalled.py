"""An embedder that knows the vectors of given texts beforehand and asks the real model for all others."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from codingbrain.ports.embedder import Embedder, Model
from tests.quality.collection import Collection
from tests.quality.embedding import Embedded

Floats = NDArray[np.float32]


class Recalled:
    """Answers as the model does, sooner; known texts are not split."""

    def __init__(self, model: Embedder, known: Mapping[str, Floats]) -> None:
        """`known` holds one vector of unit length per text."""
        self._model = model
        self._known = known

    @property
    def model(self) -> Model:
        return self._model.model

    @property
    def limits(self) -> str:
        return self._model.limits

    def split(self, text: str) -> list[str]:
        return [text] if text in self._known else self._model.split(text)

    async def documents(self, texts: Sequence[str]) -> Floats:
        unknown = [text for text in texts if text not in self._known]
        fresh = iter(await self._model.documents(unknown)) if unknown else iter(())
        return np.stack([self._known[text] if text in self._known else next(fresh) for text in texts])

    async def query(self, text: str) -> Floats:
        return self._known[text] if text in self._known else await self._model.query(text)


def recalled(model: Embedder, collection: Collection, vectors: Embedded) -> Recalled:
    """An embedder that knows the pieces and the questions of a collection."""
    pieces = [piece for text in collection.texts for piece in model.split(text.text)]
    known = dict(zip(pieces, vectors.pieces, strict=True))
    known |= {one.text: vector for one, vector in zip(collection.questions, vectors.questions, strict=True)}
    return Recalled(model, known)
