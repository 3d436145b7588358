"""Text to vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Model:
    """What produced a vector: vectors are comparable only when all of this is equal."""

    name: str
    sha256: str
    dimension: int

    @property
    def key(self) -> str:
        """A short stable name that is safe in file and collection names."""
        return f"{self.name}-{self.sha256[:12]}-{self.dimension}"


class Embedder(Protocol):
    """One loaded embedding model."""

    @property
    def model(self) -> Model:
        """The identity of the model."""
        ...

    @property
    def limits(self) -> str:
        """One sentence on the languages that the model was trained for."""
        ...

    def split(self, text: str) -> list[str]:
        """Cut a text into the pieces that are embedded one by one; a short text is one piece. CPU-bound, cheap."""
        ...

    async def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed pieces: shape (len(texts), dimension), rows of unit length.

        Raises:
            UnavailableError: the model failed.
        """
        ...

    async def query(self, text: str) -> NDArray[np.float32]:
        """Embed a query: shape (dimension,), unit length; never waits behind `documents`.

        Raises:
            UnavailableError: the model failed.
        """
        ...
