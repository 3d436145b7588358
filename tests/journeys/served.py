"""A served instance in this process: the real runtime and application behind uvicorn on a loopback port."""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Protocol
from uuid import UUID

import anyio
import httpx2
import uvicorn
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from starlette.types import ASGIApp

from codingbrain.app import build, protocol
from codingbrain.clock import Micros
from codingbrain.host.heads import Heads
from codingbrain.host.web import bind
from codingbrain.identity.scopes import EVERYTHING, Scope
from codingbrain.retrieval.encoder import Loader
from codingbrain.runtime import Runtime, open_runtime
from codingbrain.settings import load
from codingbrain.telemetry.metrics import Metrics

Era = Literal["auto", "legacy"]
Transport = Literal["http", "sse"]

WAIT: Final = 30.0
"""Seconds within which anything happens on a busy machine."""

MAX_BODY: Final = 256 * 1024
MAX_SESSIONS: Final = 6

JSON: Final = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
META: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True, slots=True)
class Served:
    """What a test may do with the instance."""

    origin: str
    runtime: Runtime
    portal: BlockingPortal
    app: ASGIApp

    def token(
        self,
        scopes: Iterable[Scope] = EVERYTHING,
        *,
        client: str = "test",
        lifetime: Micros | None = None,
        jkt: str | None = None,
    ) -> tuple[str, UUID]:
        """A new token and its id."""
        issue = partial(self.runtime.tokens.issue, client, scopes, lifetime, jkt=jkt)
        text, issued = self.portal.call(issue)
        return text, issued.id

    def revoke(self, token: UUID) -> None:
        """End a token."""
        self.portal.call(self.runtime.tokens.revoke, token)

    def http(self, token: str | None = None) -> httpx2.AsyncClient:
        """A plain HTTP client, with this credential."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.origin, timeout=WAIT, headers=headers)

    @asynccontextmanager
    async def mcp(self, transport: Transport, era: Era, token: str, query: str = "") -> AsyncGenerator[Client]:
        """An SDK client of one transport in one era."""
        async with self.http(token) as http:
            match transport:
                case "http":
                    path = streamable_http_client(f"{self.origin}/mcp{query}", http_client=http)
                case "sse":
                    path = sse_client(f"{self.origin}/sse{query}", headers={"Authorization": f"Bearer {token}"})
            with anyio.fail_after(WAIT):
                async with Client(path, mode=era, read_timeout_seconds=WAIT) as client:
                    yield client


def modern(method: str, name: str | None = None, **params: object) -> dict[str, Any]:
    """The keyword arguments of a POST that carries one request of the 2026 era."""
    named = {"Mcp-Name": name} if name else {}
    body: dict[str, object] = {"name": name, **params} if name else params
    return {
        "json": {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**body, "_meta": META}},
        "headers": {**JSON, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, **named},
    }


class Serving(Protocol):
    """`serve` on one data directory."""

    def __call__(self, loader: Loader | None = None, **overrides: object) -> AbstractContextManager["Served"]:
        """Serve until the block ends."""
        ...


def product(runtime: Runtime) -> ASGIApp:
    """The application that users get."""
    return build(runtime, protocol(runtime))


@contextmanager
def serve(
    data: Path,
    loader: Loader | None = None,
    application: Callable[[Runtime], ASGIApp] = product,
    **overrides: object,
) -> Iterator[Served]:
    """Serve until the block ends; unless told otherwise without an embedding model, which takes a second to load."""
    defaults = {"embedder_url": "none:", "max_body_bytes": MAX_BODY, "max_sessions": MAX_SESSIONS}
    settings = load({"data_dir": data, **defaults, **overrides})

    async def run(*, task_status: TaskStatus[tuple[Served, uvicorn.Server]]) -> None:
        with bind("127.0.0.1", 0) as bound:
            origin = f"http://127.0.0.1:{bound.getsockname()[1]}"
            async with open_runtime(settings, Metrics("test"), loader, settings.public_url or origin) as runtime:
                app = application(runtime)
                server = uvicorn.Server(
                    uvicorn.Config(
                        app, http=Heads, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
                    )
                )
                # Connections wait in the backlog until the server accepts them, so nobody has to wait for it.
                task_status.started((Served(origin, runtime, portal, app), server))
                await server.serve([bound])

    with start_blocking_portal() as portal:
        ended, (served, server) = portal.start_task(run)
        try:
            yield served
        finally:
            server.should_exit = True
            ended.result(WAIT)
