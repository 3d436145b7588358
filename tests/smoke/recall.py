"""The one thing that must work everywhere: what was stored is found."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.journeys.program import START, Program


@asynccontextmanager
async def connected(program: Program) -> AsyncIterator[Client]:
    """A client over streamable HTTP of the instance that serves the program's data, with a new token."""
    headers = {"Authorization": f"Bearer {await token(program)}"}
    url = f"{(await program.status())['url']}/mcp"
    async with (
        httpx2.AsyncClient(headers=headers, timeout=START) as http,
        Client(streamable_http_client(url, http_client=http), read_timeout_seconds=START) as client,
    ):
        yield client


async def token(program: Program) -> str:
    """A new access token."""
    issued = await program.run("token", "issue", "--client", "smoke")
    assert issued.returncode == 0, issued.stderr
    return issued.stdout.strip()


async def remember_and_recall(client: Client) -> None:
    """Store a memory and find it by some of its words."""
    added = await client.call_tool("add_memories", {"text": "We deploy the billing service with blue-green rollouts."})
    assert not added.is_error, added
    found = await client.call_tool("search_memory", {"query": "billing rollouts"})
    assert not found.is_error, found
    assert "blue-green" in json.dumps(found.structured_content)


def scripts(environment: Path) -> Path:
    """Where a virtual environment keeps its programs."""
    return next(folder for name in ("bin", "Scripts") if (folder := environment / name).is_dir())
