"""An embedder that counts what it does."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codingbrain.ports.embedder import Embedder, Model
from codingbrain.telemetry.metrics import Metrics


class Metered:
    """Passes everything on, and observes pieces and seconds."""

    def __init__(self, embedder: Embedder, metrics: Metrics) -> None:
        self._embedder = embedder
        self._pieces = metrics.embedded_texts
        self._seconds = metrics.embedding_duration

    @property
    def model(self) -> Model:
        """The identity of the model."""
        return self._embedder.model

    @property
    def limits(self) -> str:
        """What the model cannot do."""
        return self._embedder.limits

    def split(self, text: str) -> list[str]:
        """Cut a text into pieces."""
        return self._embedder.split(text)

    async def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed pieces."""
        started = time.perf_counter()
        vectors = await self._embedder.documents(texts)
        self._note(len(texts), started)
        return vectors

    async def query(self, text: str) -> NDArray[np.float32]:
        """Embed a query."""
        started = time.perf_counter()
        vector = await self._embedder.query(text)
        self._note(1, started)
        return vector

    def _note(self, pieces: int, started: float) -> None:
        self._pieces.inc(pieces)
        self._seconds.observe(time.perf_counter() - started)
