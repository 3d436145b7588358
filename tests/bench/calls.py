"""What the gate, a proof, the guard and a tool cost on top of the bare SDK, in processor time of the server.

Five servers are called by turns in the same wire mode: a low-level SDK server whose one tool answers its caller's own
words; the same application behind the product's gate, with a bearer token, with a DPoP-bound one, and with rate limits
as well; and the product's `whoami`. The clients are as light as can be, and their time does not count.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import anyio
import uvicorn
from joserfc.jwk import import_key
from mcp.server.lowlevel import Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, TextContent, Tool
from starlette.types import ASGIApp, Receive, Scope, Send

from codingbrain.app import build, policy, protocol
from codingbrain.host.web import bind
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.limits.standing import Standing
from codingbrain.runtime import Runtime, open_runtime
from codingbrain.settings import load
from codingbrain.telemetry.logs import open_logs
from codingbrain.telemetry.metrics import Metrics
from codingbrain.transports.demand import Demand, Messages
from codingbrain.transports.gate import Gate, Policy
from tests.bench.figure import Figure
from tests.bench.wire import Address, Client
from tests.proof import Prover

SHOWN: Final[dict[str, tuple[str, float | None]]] = {
    "bearer": ("gate, Bearer, CPU per call", 1.10),
    "dpop": ("gate, DPoP, CPU per call", 2.0),
    "limited": ("gate, Bearer, rate limits, CPU per call", None),
    "product": ("whoami, CPU per call", 1.6),
}
"""What is told of which subject, and the most that it may cost beside the bare SDK."""

ROUNDS: Final = 10
WARM_UP: Final = 300
START: Final = 60.0
RATES: Final = {f"rate_{whom}_burst": "1000000/second" for whom in ("org", "user", "tool")} | {
    f"rate_{whom}": "10000000/minute" for whom in ("org", "user", "tool")
}


def echo() -> ASGIApp:
    """The SDK alone: one tool that answers its caller's own words."""

    async def list_tools(_: object, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name="whoami", input_schema={"type": "object"})])

    async def call_tool(_: object, params: CallToolRequestParams) -> CallToolResult:
        said = params.arguments or {}
        return CallToolResult(content=[TextContent(text=json.dumps(said))], structured_content=said)

    schemas = {"whoami": {"type": "object"}}
    server = Server("echo", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=schemas.get)
    return server.streamable_http_app()


@asynccontextmanager
async def bare(_: str, __: str) -> AsyncGenerator[tuple[ASGIApp, str | None]]:
    """Without anything of the product."""
    yield echo(), None


@asynccontextmanager
async def product(origin: str, _: str) -> AsyncGenerator[tuple[ASGIApp, str | None]]:
    """The product with an empty record and no model, and a token that holds every scope."""
    async with _runtime(origin) as runtime:
        token, _issued = await runtime.tokens.issue("bench", EVERYTHING, None)
        yield build(runtime, protocol(runtime)), token


@asynccontextmanager
async def bearer(origin: str, _: str) -> AsyncGenerator[tuple[ASGIApp, str | None]]:
    """The SDK behind the gate."""
    async with _runtime(origin) as runtime:
        token, _issued = await runtime.tokens.issue("bench", EVERYTHING, None)
        yield _gated(echo(), unlimited(runtime)), token


@asynccontextmanager
async def limited(origin: str, _: str) -> AsyncGenerator[tuple[ASGIApp, str | None]]:
    """The same, with rate limits and the headers that tell about them."""
    async with _runtime(origin) as runtime:
        token, _issued = await runtime.tokens.issue("bench", EVERYTHING, None)
        yield _gated(echo(), policy(runtime)), token


@asynccontextmanager
async def dpop(origin: str, jwk: str) -> AsyncGenerator[tuple[ASGIApp, str | None]]:
    """The SDK behind the gate, with a token that is bound to a key."""
    async with _runtime(origin) as runtime:
        jkt = import_key(json.loads(jwk)).thumbprint()
        token, _issued = await runtime.tokens.issue("bench", EVERYTHING, None, jkt=jkt)
        yield _gated(echo(), unlimited(runtime)), token


SUBJECTS: Final = {"bare": bare, "bearer": bearer, "dpop": dpop, "limited": limited, "product": product}


def unlimited(runtime: Runtime) -> Policy:
    """What the gates ask, but for rate limits."""
    room = Standing("none", 1, 1, 1, 1.0)
    return replace(policy(runtime), charge=lambda *_: room, told=lambda _: [])


@asynccontextmanager
async def _runtime(origin: str) -> AsyncGenerator[Runtime]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(open_logs("INFO", "json"))
        settings = load({"data_dir": Path(folder), "embedder_url": "none:", **RATES})
        yield await stack.enter_async_context(open_runtime(settings, Metrics(), origin=origin))


def _gated(app: ASGIApp, asked: Policy) -> ASGIApp:
    gate = Gate(app, asked, Messages("/mcp", {"whoami": Demand("whoami")}))

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        await (gate if scope["type"] == "http" else app)(scope, receive, send)

    return either


async def serve(subject: Callable[[str, str], Any], jwk: str) -> None:
    """Serve until standard input ends, after one line with the port and the token."""
    with bind("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        async with subject(f"http://127.0.0.1:{port}", jwk) as (app, token):
            config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
            server = uvicorn.Server(config)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_with(server))
                print(json.dumps([port, token]), flush=True)
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
        """Processor time used so far, user and system, of all threads that live."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e9


@contextmanager
def running(name: str) -> Iterator[Running]:
    """A subject in a process of its own."""
    prover = Prover()
    jwk = json.dumps(prover.key.as_dict(private=False))
    command = [sys.executable, "-m", "tests.bench.calls", name, jwk]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            port, token = json.loads(process.stdout.readline())
            yield Running(process.pid, Address("127.0.0.1", port, token, prover if name == "dpop" else None))
        finally:
            process.stdin.close()
            try:
                process.wait(START)
            except subprocess.TimeoutExpired:
                process.kill()


def measure(calls: int = 3_000) -> Iterator[Figure]:
    """Microseconds of the server's processor time per call, beside the bare SDK's."""
    used = dict.fromkeys(SUBJECTS, 0.0)
    with ExitStack() as stack:
        subjects = {name: stack.enter_context(running(name)) for name in SUBJECTS}
        for subject in subjects.values():
            spend(subject, WARM_UP)
        for _ in range(ROUNDS):
            for name, subject in subjects.items():
                used[name] += spend(subject, calls // ROUNDS)
    cost = {name: seconds / (calls // ROUNDS * ROUNDS) * 1e6 for name, seconds in used.items()}
    for name, (shown, ceiling) in SHOWN.items():
        yield Figure(shown, cost[name], "us", cost["bare"], "the bare SDK's echo", ceiling=ceiling)


def spend(subject: Running, calls: int) -> float:
    """Processor seconds that a subject uses for so many calls."""
    with Client(subject.address) as client:
        client.call("whoami", {})
        before = subject.seconds()
        for _ in range(calls):
            client.call("whoami", {})
        return subject.seconds() - before


if __name__ == "__main__":
    anyio.run(serve, SUBJECTS[sys.argv[1]], sys.argv[2], backend_options={"use_uvloop": True})
