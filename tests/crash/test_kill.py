"""Processes that are killed without warning, in the middle of writes."""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.types import CallToolResult

from tests.crash.load import Account, fronts, indexed, missing, names, writing
from tests.journeys.pages import everything
from tests.journeys.program import Mode, Program

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal"),
]

CLIENTS = 4
SOAK = int(os.environ.get("CRASH_ROUNDS", "50"))


@pytest.mark.proves("RUN-6", "SYNC-1")
async def test_what_was_acknowledged_survives_the_host(mcp_client: Program) -> None:
    await survive(mcp_client, rounds=5)


@pytest.mark.soak
@pytest.mark.proves("RUN-6", "SYNC-1")
async def test_what_was_acknowledged_survives_many_hosts(
    mcp_client: Program, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    account = await survive(mcp_client, rounds=SOAK)
    record_property("acknowledged", len(account.kept))
    with capsys.disabled():
        print(  # noqa: T201 - the result of a soak
            f"\n{SOAK} hosts killed: {len(account.kept)} writes acknowledged, {account.lost} in doubt, none lost"
        )


async def survive(program: Program, rounds: int) -> Account:
    """Kill the host once each round while clients write; then everything acknowledged is found, in both lanes."""
    account, dice = Account(), random.Random(rounds)  # noqa: S311 - it decides nothing but when to kill
    async with fronts(program, CLIENTS) as clients:
        async with writing(clients, account, names("survivor")):
            for _ in range(rounds):
                await account.reaches(len(account.kept) + dice.randint(3, 30))
                program.kill_host()
            await account.reaches(len(account.kept) + CLIENTS)
        reader = clients[0]
        assert len(program.hosts()) == 1
        assert set(account.kept) <= await everything(reader)
        assert await missing(reader, account.kept, "lexical") == []
        await indexed(reader, account.kept)
        assert await missing(reader, account.kept, "vector") == []
    return account


@pytest.mark.proves("RUN-6")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_session_goes_on_with_the_next_host(mcp_client: Program, mode: Mode) -> None:
    async with mcp_client.client(mode) as client:
        await client.call_tool("add_memories", {"text": "the first host knows this"})
        killed = mcp_client.kill_host()
        found = await retried(client, "search_memory", {"query": "what the first host knows"})
        assert "the first host knows this" in json.dumps(found.structured_content)
        assert mcp_client.host != killed


async def retried(client: Client, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call a tool as a client does that heeds what it is told."""
    while True:
        try:
            return await client.call_tool(tool, arguments)
        except MCPError as error:
            if error.error.data != {"code": "host_lost", "retryable": True}:
                raise


@pytest.mark.proves("RUN-6")
async def test_a_client_that_dies_disturbs_no_other(mcp_client: Program) -> None:
    account = Account()
    async with fronts(mcp_client, CLIENTS) as clients:
        victim, *others = clients
        await victim.call("whoami")
        before = mcp_client.host
        async with writing(others, account, names("bystander")):
            await account.reaches(5)
            await victim.say("tools/call", {"name": "add_memories", "arguments": {"text": "unheard"}})
            victim.process.send_signal(signal.SIGKILL)
            await account.reaches(len(account.kept) + 10)
        assert account.lost == 0
        assert mcp_client.host == before
        assert (await mcp_client.status())["clients"] == CLIENTS - 1
        assert await missing(others[0], account.kept, "lexical") == []
