"""Streamable HTTP on one path, for both protocol eras."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from codingbrain.telemetry.metrics import Metrics
from codingbrain.toolkit.replies import refusal
from codingbrain.transports.places import RETRY_SECONDS
from codingbrain.transports.session import holder

IDLE_SECONDS: Final = 1800.0
"""A session without a request for this long ends."""


class Streamable:
    """The ASGI application; it serves while `run` is entered, which can be done once."""

    def __init__(
        self, server: Server[Any], metrics: Metrics, *, max_sessions: int, max_user_sessions: int, max_body: int
    ) -> None:
        self._sessions = _Sessions(server, max_sessions, max_user_sessions, max_body)
        self._app = StreamableHTTPASGIApp(self._sessions)
        self._most = max_user_sessions
        metrics.sessions_open.labels("http").set_function(self._sessions.count)

    def run(self) -> AbstractAsyncContextManager[None]:
        """Accept requests until the block ends; open sessions end with it."""
        return self._sessions.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._app(scope, receive, send)
        except _CrowdedError:
            message = f"At most {self._most} sessions may be open; end one first."
            headers = {"Retry-After": f"{RETRY_SECONDS:.0f}"}
            await refusal(429, message, code="overloaded", headers=headers)(scope, receive, send)


class _CrowdedError(Exception):
    """A user has all the sessions that one may have."""


class _Sessions(StreamableHTTPSessionManager):
    """The SDK's sessions, with a bound for each user."""

    def __init__(self, server: Server[Any], most: int, most_of_user: int, max_body: int) -> None:
        super().__init__(server, max_sessions=most, max_request_body_size=max_body, session_idle_timeout=IDLE_SECONDS)
        self._most_of_user = most_of_user

    def count(self) -> float:
        return len(self._server_instances)

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        """Called under the lock that orders the openings, so that the bound is exact."""
        if requestor is not None:
            user = holder(requestor["client_id"])
            if sum(holder(owner["client_id"]) == user for owner in self._session_owners.values()) >= self._most_of_user:
                raise _CrowdedError
        return super()._admit_session(requestor)
