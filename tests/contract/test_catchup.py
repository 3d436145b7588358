"""Catching up while writes go on."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import UUID

import anyio
import pytest

from codingbrain import clock
from codingbrain.domain.memory import Draft
from codingbrain.domain.query import Criteria
from codingbrain.identity.principal import Tenant
from codingbrain.ports.lexical import Lexical, TextChange, TextQuery
from codingbrain.ports.matches import Match
from codingbrain.record.unit import OperatorRecord
from codingbrain.retrieval.labels import filters_of
from codingbrain.runtime import Runtime, open_runtime
from codingbrain.settings import load
from codingbrain.sync.catchup import OPERATOR, CatchUp
from codingbrain.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


class Busy:
    """The real index; before its first page is read, somebody writes."""

    def __init__(self, lexical: Lexical, write: Callable[[], Awaitable[object]]) -> None:
        self._lexical = lexical
        self._write = write
        self._wrote = False

    async def apply(self, changes: Sequence[TextChange]) -> None:
        await self._lexical.apply(changes)

    async def search(self, query: TextQuery) -> list[Match]:
        return await self._lexical.search(query)

    async def versions(self, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        if not self._wrote:
            self._wrote = True
            await self._write()
        return await self._lexical.versions(after, limit)

    async def clear(self) -> None:
        await self._lexical.clear()


class BusyEngine:
    def __init__(self, runtime: Runtime, write: Callable[[], Awaitable[object]]) -> None:
        self._engine = runtime.pipeline.engines.lexical
        self._write = write

    async def prepare(self) -> None:
        await self._engine.prepare()

    async def check(self) -> None:
        await self._engine.check()

    def tenant(self, tenant: Tenant) -> Lexical:
        return Busy(self._engine.tenant(tenant), self._write)


@pytest.mark.parametrize("before", [0, 3])
async def test_a_write_between_the_two_readings_is_not_taken_for_rubbish(data_dir: Path, before: int) -> None:
    """The index has it, the record's page that was read before has not: it must stay found."""
    with anyio.fail_after(30):
        async with open_runtime(load({"data_dir": data_dir, "embedder_url": "none:"}), Metrics()) as runtime:
            principal = runtime.owner
            memories = runtime.workspace(principal).memories
            for number in range(before):
                await memories.add([Draft(f"early {number}")])
            mending = CatchUp(OperatorRecord(runtime.pipeline.engines.record, OPERATOR), clock.now)
            mended = await mending.lexical(BusyEngine(runtime, lambda: memories.add([Draft("written meanwhile")])))
            assert mended == 0
            index = runtime.pipeline.engines.lexical.tenant(principal.tenant)
            query = TextQuery("meanwhile", filters_of(Criteria(), principal)[principal.tenant], 5)
            assert len(await index.search(query)) == 1
