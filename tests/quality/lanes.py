"""What each lane of the product finds by itself, in this process, without fusion: the raw material for choosing it."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from codingbrain.domain.memory import Draft
from codingbrain.domain.query import Criteria
from codingbrain.domain.receipt import Indexing
from codingbrain.ports.lexical import TextQuery
from codingbrain.ports.matches import Match
from codingbrain.ports.vectors import VectorQuery
from codingbrain.retrieval.encoder import Ready
from codingbrain.retrieval.labels import filters_of
from codingbrain.runtime import Runtime, open_runtime
from codingbrain.settings import load
from codingbrain.telemetry.metrics import Metrics
from tests.quality.collection import Collection, Question
from tests.quality.embedding import embedded, model
from tests.quality.fusion import Scored
from tests.quality.recalled import recalled

_BATCH: Final = 500
_PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Found:
    """One question with the scored ids of texts that each lane found, best first."""

    question: Question
    lexical: Scored
    vector: Scored


async def found(collection: Collection, questions: Sequence[Question], depth: int) -> list[Found]:
    """Store the collection in a fresh data directory and ask its lanes."""
    embedder = recalled(model(), collection, embedded(collection))
    with tempfile.TemporaryDirectory(prefix="cb-") as folder:
        settings = load({"data_dir": Path(folder) / "data"})
        async with open_runtime(settings, Metrics(), lambda: embedder) as runtime:
            owners = await _store(runtime, collection)
            return [await _ask(runtime, question, owners, depth) for question in questions]


async def _store(runtime: Runtime, collection: Collection) -> dict[UUID, str]:
    memories = runtime.workspace(runtime.owner).memories
    owners: dict[UUID, str] = {}
    for start in range(0, len(collection.texts), _BATCH):
        batch = collection.texts[start : start + _BATCH]
        receipts = await memories.add([Draft(text.text) for text in batch])
        owners |= {receipt.id: text.id for text, receipt in zip(batch, receipts, strict=True) if receipt.id}
        while any(one.vector is Indexing.QUEUED for one in await memories.settle(receipts, _PATIENCE)):
            pass
    return owners


async def _ask(runtime: Runtime, question: Question, owners: dict[UUID, str], depth: int) -> Found:
    engines, principal = runtime.pipeline.engines, runtime.owner
    allowed = filters_of(Criteria(), principal)[principal.tenant]
    lexical = await engines.lexical.tenant(principal.tenant).search(TextQuery(question.text, allowed, depth))
    state = engines.encoder.state
    assert isinstance(state, Ready)
    index = engines.vectors.tenant(principal.tenant, state.embedder.model)
    vector = await index.search(VectorQuery(await state.embedder.query(question.text), allowed, depth))
    return Found(question, _scored(lexical, owners), _scored(vector, owners))


def _scored(matches: Sequence[Match], owners: dict[UUID, str]) -> Scored:
    return [(owners[match.id], match.score) for match in matches]
