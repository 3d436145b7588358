"""An installed codingbrain, run as its users run it: another process, an environment of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
from anyio.abc import ByteReceiveStream
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

START = 60
"""Seconds within which a program comes up on a busy machine."""

_ORIGIN = re.compile(rb"http://127\.0\.0\.1:\d+")


def scripts(environment: Path) -> Path:
    """Where a virtual environment keeps its programs."""
    return environment / ("Scripts" if sys.platform == "win32" else "bin")


@dataclass(frozen=True, slots=True)
class Program:
    """A `codingbrain` executable with a private home, which is also where it runs."""

    path: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        """The system's variables and ours; nothing of the checkout's."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT", "TMPDIR") if name in os.environ}
        return kept | {"HOME": str(self.home), "CODINGBRAIN_DATA_DIR": str(self.home / "data"), "CODINGBRAIN_PORT": "0"}

    async def run(self, *arguments: str) -> str:
        """What a command prints on standard output."""
        with anyio.fail_after(START):
            ended = await anyio.run_process([str(self.path), *arguments], env=self.env, cwd=self.home, check=False)
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout.decode()

    async def token(self) -> str:
        """A new access token."""
        return (await self.run("token", "issue", "--client", "smoke")).split()[-1]

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Serve until the block ends; gives the origin that the program announced."""
        command = [str(self.path), "serve"]
        async with served(command, self.env, self.home) as origin:
            yield origin

    @asynccontextmanager
    async def stdio(self) -> AsyncIterator[Client]:
        """A client of `codingbrain mcp`."""
        server = StdioServerParameters(command=str(self.path), args=["mcp"], env=self.env, cwd=self.home)
        async with Client(stdio_client(server), read_timeout_seconds=START) as client:
            yield client


@asynccontextmanager
async def served(command: list[str], env: Mapping[str, str], where: Path) -> AsyncIterator[str]:
    """Run a command that serves; gives the first loopback origin that it names on standard error."""
    async with (
        await anyio.open_process(command, env=env, cwd=where, stdin=subprocess.DEVNULL) as process,
        anyio.create_task_group() as group,
    ):
        assert process.stderr is not None
        assert process.stdout is not None
        stderr = BufferedByteReceiveStream(process.stderr)
        try:
            group.start_soon(_drain, process.stdout)
            with anyio.fail_after(START):
                origin = await _announced(stderr)
            group.start_soon(_drain, stderr)
            yield origin
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(START):
                process.terminate()
                await process.wait()
            group.cancel_scope.cancel()


@asynccontextmanager
async def connected(origin: str, token: str) -> AsyncIterator[Client]:
    """A client over streamable HTTP with a bearer token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=START) as http,
        Client(streamable_http_client(f"{origin}/mcp", http_client=http), read_timeout_seconds=START) as client,
    ):
        yield client


async def remember_and_recall(client: Client) -> None:
    """Store a memory, find it again in other words of it, and see that it is the one."""
    added = await client.call_tool("add_memories", {"text": "We deploy the billing service with blue-green rollouts."})
    assert not added.is_error, added
    found = await client.call_tool("search_memory", {"query": "billing rollouts"})
    assert not found.is_error, found
    assert "blue-green" in json.dumps(found.structured_content)


async def _announced(stream: BufferedByteReceiveStream) -> str:
    seen = b""
    while (match := _ORIGIN.search(seen)) is None:
        try:
            seen += await stream.receive_until(b"\n", 65_536) + b"\n"
        except (anyio.EndOfStream, anyio.IncompleteRead):
            raise AssertionError(seen.decode(errors="replace")) from None
    return match.group().decode()


async def _drain(stream: ByteReceiveStream) -> None:
    async for _ in stream:
        pass
