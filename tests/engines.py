"""The engines of each port: one row here, and the contract suite drives a further engine.

`opens(folder)` is a context in which the engine serves what is stored under that folder; opening the same folder again
is what a restart does. An engine that is a server of its own keeps its data under names that it derives from it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codingbrain.ports.lexical import ColocatedLexical, LexicalEngine
from codingbrain.ports.sql import Sql
from codingbrain.ports.vectors import VectorEngine
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.stores.lexical.fts5 import Fts5
from codingbrain.stores.vectors.exact import Exact
from codingbrain.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class LexicalRow:
    """A lexical engine."""

    name: str
    opens: Callable[[Path], AbstractAsyncContextManager[LexicalEngine]]


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A vector engine."""

    name: str
    opens: Callable[[Path], AbstractAsyncContextManager[VectorEngine]]


@dataclass(frozen=True, slots=True)
class ColocatedRow:
    """A lexical engine inside a database; `makes` puts it on one."""

    name: str
    makes: Callable[[Sql], ColocatedLexical]


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[SqliteRecord]:
    """The record's database, without the record's own tables."""
    record = SqliteRecord(folder / "record.db", Metrics())
    async with record.running():
        yield record


@asynccontextmanager
async def fts5(folder: Path) -> AsyncIterator[LexicalEngine]:
    async with sqlite(folder) as record:
        engine = Fts5(record)
        await engine.prepare()
        yield engine


@asynccontextmanager
async def exact(folder: Path) -> AsyncIterator[VectorEngine]:
    async with sqlite(folder) as record:
        engine = Exact(record)
        await engine.prepare()
        yield engine


LEXICAL: Final = (LexicalRow("fts5", fts5),)
COLOCATED: Final = (ColocatedRow("fts5", Fts5),)
VECTORS: Final = (VectorRow("exact", exact),)
