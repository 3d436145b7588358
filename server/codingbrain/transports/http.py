"""Streamable HTTP on one path, for both protocol eras."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from codingbrain.telemetry.metrics import Metrics

IDLE_SECONDS: Final = 1800.0
"""A session without a request for this long ends."""


class Streamable:
    """The ASGI application; it serves while `run` is entered, which can be done once."""

    def __init__(self, server: Server[Any], metrics: Metrics, *, max_sessions: int, max_body: int) -> None:
        self._manager = StreamableHTTPSessionManager(
            server, max_sessions=max_sessions, max_request_body_size=max_body, session_idle_timeout=IDLE_SECONDS
        )
        self._app = StreamableHTTPASGIApp(self._manager)
        metrics.sessions_open.labels("http").set_function(self._count)

    def run(self) -> AbstractAsyncContextManager[None]:
        """Accept requests until the block ends; open sessions end with it."""
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)

    def _count(self) -> float:
        return len(self._manager._server_instances)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - no public count
