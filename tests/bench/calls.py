"""What the gate, the guard and a tool cost on top of the bare SDK: `whoami` against a low-level echo server.

`python -m tests.bench.whoami [CALLS]` starts both servers on uvicorn, calls them by turns in the same wire mode, and
compares the processor time that their processes used.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp.server.lowlevel import Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, TextContent, Tool
from starlette.types import ASGIApp

from codingbrain.app import build, protocol
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.runtime import open_runtime
from codingbrain.settings import load
from codingbrain.telemetry.logs import open_logs
from codingbrain.telemetry.metrics import Metrics
from tests.bench.wire import Address, Client

CEILING = 1.6
ROUNDS = 10
WARM_UP = 200
START = 60.0


@asynccontextmanager
async def bare() -> AsyncGenerator[tuple[ASGIApp, str | None]]:
    """The SDK alone: one tool that answers its caller's own words."""

    async def list_tools(_: object, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name="whoami", input_schema={"type": "object"})])

    async def call_tool(_: object, params: CallToolRequestParams) -> CallToolResult:
        said = params.arguments or {}
        return CallToolResult(content=[TextContent(text=json.dumps(said))], structured_content=said)

    schemas = {"whoami": {"type": "object"}}
    server = Server("echo", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=schemas.get)
    yield server.streamable_http_app(), None


@asynccontextmanager
async def product() -> AsyncGenerator[tuple[ASGIApp, str | None]]:
    """The product with an empty record and no model, and a token that holds every scope."""
    with tempfile.TemporaryDirectory() as folder, open_logs("INFO", "json"):
        settings = load({"data_dir": Path(folder), "embedder_url": "none:"})
        async with open_runtime(settings, Metrics()) as runtime:
            token, _ = await runtime.tokens.issue("bench", EVERYTHING, None)
            yield build(runtime, protocol(runtime)), token


SUBJECTS = {"bare": bare, "product": product}


async def serve(subject: Callable[[], Any]) -> None:
    """Serve until standard input ends, after one line with the port and the token."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        async with subject() as (app, token):
            config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
            server = uvicorn.Server(config)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_with(server))
                print(json.dumps([bound.getsockname()[1], token]), flush=True)
                await server.serve([bound])
                tasks.cancel_scope.cancel()


def _stop_with(server: uvicorn.Server) -> Callable[[], Coroutine[Any, Any, None]]:
    async def wait() -> None:
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        server.should_exit = True

    return wait


@dataclass(frozen=True, slots=True)
class Running:
    """A served subject."""

    pid: int
    address: Address

    def seconds(self) -> float:
        """Processor time used so far, user and system, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(name: str) -> Iterator[Running]:
    """A subject in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.whoami", "--serve", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            port, token = json.loads(process.stdout.readline())
            yield Running(process.pid, Address("127.0.0.1", port, token))
        finally:
            process.stdin.close()
            try:
                process.wait(START)
            except subprocess.TimeoutExpired:
                process.kill()


def measure(calls: int) -> dict[str, float]:
    """Microseconds of processor time per call, by subject."""
    used = dict.fromkeys(SUBJECTS, 0.0)
    with running("bare") as first, running("product") as second:
        subjects = {"bare": first, "product": second}
        for subject in subjects.values():
            spend(subject, WARM_UP)
        for _ in range(ROUNDS):
            for name, subject in subjects.items():
                used[name] += spend(subject, calls // ROUNDS)
    return {name: seconds / (calls // ROUNDS * ROUNDS) * 1e6 for name, seconds in used.items()}


def spend(subject: Running, calls: int) -> float:
    """Processor seconds that a subject uses for so many calls."""
    with Client(subject.address) as client:
        before = subject.seconds()
        for _ in range(calls):
            client.call("whoami", {})
        return subject.seconds() - before


def main(arguments: list[str]) -> int:
    """Serve a subject, or measure both; 1 if the ceiling is passed."""
    if arguments[:1] == ["--serve"]:
        anyio.run(serve, SUBJECTS[arguments[1]], backend_options={"use_uvloop": True})
        return 0
    cost = measure(int(arguments[0]) if arguments else 3000)
    ratio = cost["product"] / cost["bare"]
    print(f"bare {cost['bare']:.0f} us, product {cost['product']:.0f} us, ratio {ratio:.2f} (at most {CEILING})")
    return int(ratio > CEILING)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
