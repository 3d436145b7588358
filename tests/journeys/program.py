"""The checkout's `codingbrain`, run as its users run it: other processes on a data directory of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final, Literal

import anyio
import anyio.to_thread
import psutil
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

Mode = Literal["auto", "legacy"]

START: Final = 30.0
"""Seconds within which anything happens on a busy machine."""

PROGRAM: Final = (sys.executable, "-P", "-m", "codingbrain.cli.entry")

META: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Stdio:
    """A running `codingbrain mcp`, spoken to in raw lines."""

    def __init__(self, process: Process) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._feed = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)
        self._errors = process.stderr
        self._id = 0

    async def write(self, line: bytes) -> None:
        """Send bytes as they are."""
        await self._feed.send(line)

    async def say(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a modern request; its id."""
        self._id += 1
        body = {"method": method, "params": {**(params or {}), "_meta": META}}
        await self.write(json.dumps({"jsonrpc": "2.0", "id": self._id, **body}).encode() + b"\n")
        return self._id

    async def hear(self) -> dict[str, Any]:
        """The next line from the program."""
        with anyio.fail_after(START):
            return json.loads(await self._lines.receive_until(b"\n", 1 << 30))

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """The whole answer to a tool call; nothing else may be in flight."""
        asked = await self.say("tools/call", {"name": tool, "arguments": arguments})
        while (answer := await self.hear()).get("id") != asked:
            pass
        return answer

    async def end(self) -> tuple[int, str]:
        """Close its input and wait; the exit status and what it wrote on standard error."""
        await self._feed.aclose()
        with anyio.fail_after(START):
            said = b"".join([chunk async for chunk in self._errors])
            return await self.process.wait(), said.decode()


@dataclass(frozen=True, slots=True)
class Program:
    """`codingbrain` on one data directory, with these settings."""

    data: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = PROGRAM
    paths: tuple[Path, ...] = ()
    """Where the packages are taken from, if not from where they are installed."""

    @property
    def env(self) -> dict[str, str]:
        """The system's variables and ours; nothing of the caller's Python or codingbrain."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODINGBRAIN_", "PYTHON"))}
        ours = {f"CODINGBRAIN_{name.upper()}": value for name, value in self.settings.items()}
        from_ = {"PYTHONPATH": os.pathsep.join(map(str, self.paths))} if self.paths else {}
        return {**kept, **from_, "CODINGBRAIN_DATA_DIR": str(self.data), "CODINGBRAIN_PORT": "0", **ours}

    async def run(self, *arguments: str, given: bytes = b"") -> CompletedProcess[str]:
        """Run a command to its end."""
        with anyio.fail_after(START):
            done = await anyio.run_process([*self.program, *arguments], input=given, env=self.env, check=False)
        return CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    @asynccontextmanager
    async def client(self, mode: Mode = "auto") -> AsyncIterator[Client]:
        """An SDK client of `codingbrain mcp`."""
        command, *rest = self.program
        server = StdioServerParameters(command=command, args=[*rest, "mcp"], env=self.env)
        async with Client(stdio_client(server), mode=mode, read_timeout_seconds=START) as client:
            yield client

    @asynccontextmanager
    async def stdio(self, *options: str) -> AsyncIterator[Stdio]:
        """A raw `codingbrain mcp`; `options` go to the interpreter."""
        interpreter, *rest = self.program
        async with await anyio.open_process([interpreter, *options, *rest, "mcp"], env=self.env) as process:
            try:
                yield Stdio(process)
            finally:
                if process.returncode is None:
                    process.kill()

    @asynccontextmanager
    async def serving(self, *arguments: str) -> AsyncIterator[Process]:
        """A running `codingbrain serve`."""
        line = [*self.program, "serve", *arguments]
        async with await anyio.open_process(line, env=self.env, stdout=subprocess.DEVNULL) as process:
            assert process.stderr is not None
            errors = BufferedByteReceiveStream(process.stderr)
            async with anyio.create_task_group() as tasks:
                try:
                    with anyio.fail_after(START):
                        while b"codingbrain serves" not in await errors.receive_until(b"\n", 1 << 20):
                            pass
                    tasks.start_soon(_drain, errors)
                    yield process
                finally:
                    with anyio.CancelScope(shield=True), anyio.move_on_after(START):
                        if process.returncode is None:
                            process.terminate()
                        await process.wait()
                    tasks.cancel_scope.cancel()

    async def status(self) -> dict[str, Any]:
        """What the running host says of itself."""
        return json.loads((await self.run("status", "--json")).stdout)

    @property
    def host(self) -> int | None:
        """The process id of the host that listens, if one does."""
        try:
            return json.loads((self.data / "host.json").read_bytes())["pid"]
        except (OSError, ValueError):
            return None

    def hosts(self) -> list[psutil.Process]:
        """Every host process of the data directory that lives, listening or not."""
        return [each for each in psutil.process_iter() if self._is_host(each)]

    def kill_host(self) -> int:
        """End the host without warning; its process id."""
        pid = self.host
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    async def gone(self, seconds: float = START) -> None:
        """Wait until no host lives."""
        _, alive = await anyio.to_thread.run_sync(psutil.wait_procs, self.hosts(), seconds)
        assert alive == []

    def _is_host(self, process: psutil.Process) -> bool:
        try:
            line = process.cmdline()
            return str(self.data) in line and "host" in line and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


async def _drain(stream: BufferedByteReceiveStream) -> None:
    async for _ in stream:
        pass
