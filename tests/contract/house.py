"""The record, both lanes and what is built on them, with an embedder that knows nothing: for contracts of the whole."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import anyio
import numpy as np
from cryptography.fernet import Fernet
from numpy.typing import NDArray

from codingbrain import clock, ids
from codingbrain.domain.query import Lane
from codingbrain.identity.principal import Principal
from codingbrain.memory.service import MemoryService, Shelf
from codingbrain.ports.embedder import Model
from codingbrain.record.schema import settle
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.tables import OrgRow
from codingbrain.record.unit import OperatorRecord
from codingbrain.retrieval.backlog import Backlog
from codingbrain.retrieval.cursor import Seal
from codingbrain.retrieval.encoder import Encoder
from codingbrain.retrieval.indexes import Indexes
from codingbrain.retrieval.pipeline import Engines, Pipeline, Search
from codingbrain.retrieval.tuning import Tuning
from codingbrain.stores.lexical.fts5 import Fts5
from codingbrain.stores.vectors.exact import Exact
from codingbrain.sync import indexer
from codingbrain.telemetry.metrics import Metrics

SECONDS: Final = 30


class Toy:
    """An embedder whose vectors say nothing but that equal texts are equal."""

    model = Model("toy", "0" * 64, 8)
    limits = "none"

    def split(self, text: str) -> list[str]:
        return [text]

    async def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([await self.query(text) for text in texts])

    async def query(self, text: str) -> NDArray[np.float32]:
        found = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], np.uint8).astype(np.float32) + 1
        return (found / np.linalg.norm(found)).astype(np.float32)


@dataclass(frozen=True, slots=True, repr=False)
class House:
    """The record, both lanes, and what is built on them."""

    shelf: Shelf
    pipeline: Pipeline
    backlog: Backlog

    def memories(self, caller: Principal) -> MemoryService:
        return MemoryService(self.shelf, caller)

    def search(self, caller: Principal) -> Search:
        return Search(self.pipeline, caller)

    async def open(self, orgs: Iterable[UUID]) -> None:
        rows = [OrgRow(id=org, name=org.hex, created_at=0) for org in orgs]
        await self.shelf.record.write_session(lambda session: session.add_all(rows))

    async def caught_up(self) -> None:
        with anyio.fail_after(SECONDS):
            while self.backlog.depth:
                await self.backlog.progress.wait()


@asynccontextmanager
async def house(data_dir: Path) -> AsyncIterator[House]:
    metrics = Metrics()
    record = SqliteRecord(data_dir / "record.db", metrics)
    async with record.running(), anyio.create_task_group() as tasks:
        await settle(record, data_dir / "record.db")
        engines = Engines(record, Fts5(record), Exact(record), Encoder(Toy, metrics))
        await engines.lexical.prepare()
        await engines.vectors.prepare()
        await engines.encoder.load()
        backlog, seal = Backlog(Lane.VECTOR, 10_000, metrics), Seal(Fernet.generate_key(), clock.now)
        weights = {Lane.LEXICAL: 1.0, Lane.VECTOR: 1.0, Lane.RECENCY: 0.05}
        tuning = Tuning("score", weights, clock.DAY, 100, SECONDS)
        shelf = Shelf(record, Indexes(engines.lexical, backlog), seal, clock.now, ids.uuid7, lambda *_: None)
        pipeline = Pipeline(engines, backlog, tuning, seal, metrics, clock.now, ids.uuid7)
        own = OperatorRecord(record, indexer.OPERATOR)
        tasks.start_soon(indexer.Indexer(own, engines.vectors, Toy(), backlog, clock.now).run)
        yield House(shelf, pipeline, backlog)
        tasks.cancel_scope.cancel()
