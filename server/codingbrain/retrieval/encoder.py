"""The embedding model as a search sees it: there, on its way, or missing, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.to_thread
from loguru import logger

from codingbrain.errors import CodingbrainError
from codingbrain.ports.embedder import Embedder
from codingbrain.retrieval.metered import Metered
from codingbrain.telemetry.metrics import Metrics

Loader = Callable[[], Embedder]


@dataclass(frozen=True, slots=True)
class Loading:
    """The model is being loaded."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The model can be used."""

    embedder: Embedder


@dataclass(frozen=True, slots=True)
class Missing:
    """The model could not be loaded."""

    reason: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The operator chose to run without a model."""


State = Loading | Ready | Missing | Absent

LOADING: Final = "the embedding model is still loading; ask again in a moment to search by meaning too"
ABSENT: Final = "no embedding model is configured; results are by words only"


class Encoder:
    """Holds the model's state; `load` runs once, beside the serving tasks."""

    def __init__(self, loader: Loader | None, metrics: Metrics) -> None:
        self._loader = loader
        self._metrics = metrics
        self.state: State = Loading() if loader else Absent()
        self._settled = anyio.Event()

    async def load(self) -> None:
        """Load the model in a worker thread; a failure becomes the state, not an exception."""
        if self._loader is not None:
            try:
                embedder = await anyio.to_thread.run_sync(self._loader)
                self.state = Ready(Metered(embedder, self._metrics))
            except CodingbrainError as error:
                logger.error("the embedding model could not be loaded: {}", error.message)
                self.state = Missing(error.message)
        self._settled.set()

    async def settled(self) -> State:
        """The state once loading has ended."""
        await self._settled.wait()
        return self.state
