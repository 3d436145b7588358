"""The HTTP+SSE transport of 2024-11-05: a stream on one path, messages posted to another."""

from collections import Counter
from typing import Any, Final
from uuid import UUID

from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.server.sse import SseServerTransport
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from codingbrain.telemetry.metrics import Metrics
from codingbrain.toolkit.catalogue import parse_toolsets
from codingbrain.toolkit.mcp import Shown
from codingbrain.toolkit.replies import refusal
from codingbrain.transports.places import RETRY_SECONDS

MESSAGES: Final = "/messages/"

_LATER: Final = {"Retry-After": f"{RETRY_SECONDS:.0f}"}


class Streams:
    """The ASGI application of the streams; `messages` is that of the posts.

    A stream cannot be taken from its client, so half of the places are kept from every org.
    """

    def __init__(self, server: Server[Any], metrics: Metrics, *, max_sessions: int, max_body: int) -> None:
        self._server = server
        self._transport = SseServerTransport(MESSAGES, max_request_body_size=max_body)
        self._places = max_sessions
        self._share = (max_sessions + 1) // 2
        self._taken: Counter[UUID] = Counter()
        self._gauge = metrics.sessions_open.labels("sse")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until the client leaves."""
        if scope["method"] != "GET":
            await refusal(405, headers={"Allow": "GET"})(scope, receive, send)
        elif not self._places:
            await refusal(503, headers=_LATER)(scope, receive, send)
        elif self._taken[scope["principal"].org] >= self._share:
            message = f"An org may hold {self._share} streams open; close one first."
            await refusal(429, message, code="overloaded", headers=_LATER)(scope, receive, send)
        else:
            await self._stream(scope, receive, send)

    async def messages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one message for an open stream."""
        await self._transport.handle_post_message(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Request(scope).query_params.get("toolsets")
        shown = Shown(parse_toolsets(asked)) if asked is not None else None
        org = scope["principal"].org
        self._places -= 1
        self._taken[org] += 1
        self._gauge.inc()
        try:
            async with self._transport.connect_sse(scope, receive, send) as (inbound, outbound):
                options = self._server.create_initialization_options()
                await serve_dual_era_loop(self._server, inbound, outbound, lifespan_state=shown, init_options=options)
        finally:
            self._gauge.dec()
            self._taken[org] -= 1
            if not self._taken[org]:
                del self._taken[org]
            self._places += 1
