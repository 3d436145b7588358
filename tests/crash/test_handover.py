"""One host gives way to the next while clients work."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.load import Account, fronts, missing, names, writing
from tests.house.sources import PRODUCT, ROOT
from tests.journeys.program import Program

pytestmark = pytest.mark.anyio

CLIENTS = 4


@pytest.fixture
def newer(command: Program, tmp_path: Path) -> Program:
    """The same program as a later release."""
    for folder in PRODUCT:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    release = tmp_path / "server" / "codingbrain" / "release.py"
    text = release.read_text("utf-8")
    release.write_text(text.replace('VERSION: Final = "', 'VERSION: Final = "9.'), "utf-8")
    return replace(command, paths=tuple(tmp_path / folder for folder in PRODUCT))


@pytest.mark.proves("RUN-6")
async def test_a_host_that_is_stopped_leaves_no_request_unanswered(mcp_client: Program) -> None:
    account = Account()
    async with fronts(mcp_client, CLIENTS) as clients:
        async with writing(clients, account, names("relay")):
            for _ in range(3):
                await account.reaches(len(account.kept) + 10)
                assert (await mcp_client.run("stop")).stdout == "stopped\n"
            await account.reaches(len(account.kept) + 10)
        assert account.lost == 0
        assert await missing(clients[0], account.kept, "lexical") == []


@pytest.mark.proves("RUN-6")
async def test_a_newer_front_brings_a_newer_host(mcp_client: Program, newer: Program) -> None:
    account = Account()
    async with fronts(mcp_client, CLIENTS) as clients:
        async with writing(clients, account, names("upgrade")):
            await account.reaches(10)
            async with newer.stdio() as later:
                assert "result" in await later.call("whoami")
                await account.reaches(len(account.kept) + 10)
                assert len(mcp_client.hosts()) == 1
                assert (await mcp_client.status())["version"].startswith("9.")
        assert account.lost == 0
        assert (await mcp_client.status())["version"].startswith("9.")
        assert await missing(clients[0], account.kept, "lexical") == []


@pytest.mark.proves("RUN-6")
async def test_a_served_host_takes_over_and_is_not_replaced(mcp_client: Program, newer: Program) -> None:
    account = Account()
    async with fronts(mcp_client, CLIENTS) as clients:
        async with writing(clients, account, names("takeover")):
            await account.reaches(10)
            async with mcp_client.serving():
                await account.reaches(len(account.kept) + 10)
                async with newer.stdio() as later:
                    assert "result" in await later.call("whoami")
                    assert (await mcp_client.status())["kind"] == "serve"
                    _, errors = await later.end()
                    assert "restart it" in errors
            await account.reaches(len(account.kept) + 10)
        assert account.lost == 0
        assert (await mcp_client.status())["kind"] == "spawned"
        assert await missing(clients[0], account.kept, "lexical") == []
