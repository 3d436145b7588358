"""Eight editors on one data directory."""

import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import psutil
import pytest

from tests.bench.process import pss
from tests.journeys.pages import everything
from tests.journeys.program import Program, Stdio

pytestmark = pytest.mark.anyio

FLEET = 8
EACH = 12
MODEL = "granite.onnx"


@asynccontextmanager
async def fleet(program: Program) -> AsyncIterator[list[Stdio]]:
    """Eight clients that start at the same moment."""
    async with AsyncExitStack() as open_ones:
        fronts: list[Stdio] = []

        async def start() -> None:
            fronts.append(await open_ones.enter_async_context(program.stdio()))

        async with anyio.create_task_group() as tasks:
            for _ in range(FLEET):
                tasks.start_soon(start)
        yield fronts


@pytest.mark.proves("RUN-6")
async def test_eight_clients_write_and_search_at_the_same_time(mcp_client: Program) -> None:
    written: set[str] = set()

    async def work(number: int, front: Stdio) -> None:
        for item in range(EACH):
            text = f"client{number} learned fact{item} about deployments"
            added = await front.call("add_memories", text=text)
            assert not added["result"].get("isError"), added
            written.add(text)
            found = await front.call("search_memory", query=f"client{number} fact{item}", limit=100)
            assert text in json.dumps(found), found

    async with fleet(mcp_client) as fronts:
        async with anyio.create_task_group() as tasks:
            for number, front in enumerate(fronts):
                tasks.start_soon(work, number, front)
        assert len(mcp_client.hosts()) == 1
        for front in fronts:
            assert await everything(front) == written


@pytest.mark.proves("RUN-6")
async def test_a_committed_write_is_seen_by_the_others_at_once(mcp_client: Program) -> None:
    async with fleet(mcp_client) as fronts:
        for number, front in enumerate(fronts):
            await front.call("add_memories", text=f"marker{number} was here")
            for other in fronts:
                found = await other.call("search_memory", query=f"marker{number}")
                assert f"marker{number} was here" in json.dumps(found)


@pytest.mark.proves("RUN-6")
@pytest.mark.skipif(sys.platform != "linux", reason="the proportional set size is Linux's")
@pytest.mark.alone
async def test_a_fleet_shares_one_host_and_stays_small(
    mcp_client: Program, record_property: Callable[[str, object], None]
) -> None:
    async with fleet(mcp_client) as fronts:
        for front in fronts:
            await front.call("add_memories", text="the model is loaded by now")
        await ready(mcp_client)
        for front in fronts:
            await front.call("search_memory", query="what about the model")
        (host,) = mcp_client.hosts()
        small = [pss([front.process.pid]) for front in fronts]
        whole = pss([host.pid]) + sum(small)
        record_property("host_pss_megabytes", round(whole - sum(small)))
        record_property("front_pss_megabytes", round(max(small), 1))
        assert whole < 1024
        assert max(small) < 20
        assert all(MODEL not in str(psutil.Process(front.process.pid).memory_maps()) for front in fronts)


@pytest.mark.proves("RUN-6")
async def test_no_process_outlives_its_clients(mcp_client: Program) -> None:
    async with fleet(mcp_client) as fronts:
        for front in fronts:
            await front.call("whoami")
        *most, last = fronts
        for front in most:
            assert await front.end() == (0, "")
        assert "result" in await last.call("whoami")
        began = time.monotonic()
        assert await last.end() == (0, "")
    await mcp_client.gone()
    idle = float(mcp_client.settings["idle_seconds"])
    assert idle * 0.9 < time.monotonic() - began < idle + 5


async def ready(program: Program) -> None:
    """Wait until the host's model is loaded."""
    with anyio.fail_after(60):
        while (await program.status())["checks"]["embedder"] != "ok":
            pass  # each question takes its time
