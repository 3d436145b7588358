"""Streamable HTTP on one path, for both protocol eras."""

import math
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext, authorization_context
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from codingbrain.errors import CodingbrainError, ForbiddenError, UnauthenticatedError
from codingbrain.telemetry.metrics import Metrics
from codingbrain.toolkit.replies import refusal
from codingbrain.transports.gate import Still
from codingbrain.transports.places import RETRY_SECONDS
from codingbrain.transports.session import holder

IDLE_SECONDS: Final = 1800.0
"""A session without a request for this long ends."""

_ORG: Final = 36
"""Characters of the org that a holder's name begins with."""


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


def crowding(held: Mapping[str, int], asking: str) -> str | None:
    """Of those who hold sessions, the one who has to give one up to `asking`, if anybody has to; all places are taken.

    It is whoever holds most in the org that holds most, and only if that leaves them as many as it gives: so nobody is
    shut out by another org, or by another user of their own, and two never take a place from each other in turn.
    """
    mine, orgs = asking[:_ORG], Counter[str]()
    for user, count in held.items():
        orgs[user[:_ORG]] += count
    org = max(orgs, key=orgs.__getitem__, default=mine)
    if orgs[org] < orgs[mine] + 2:
        org = mine
    user = max((user for user in held if user[:_ORG] == org), key=held.__getitem__, default=asking)
    return user if org != mine or held.get(user, 0) >= held.get(asking, 0) + 2 else None


class _Sessions(StreamableHTTPSessionManager):
    """The SDK's sessions, with a bound for each user, and shared out when all are taken."""

    def __init__(self, server: Server[Any], most: int, most_of_user: int, max_body: int) -> None:
        super().__init__(server, max_sessions=most, max_request_body_size=max_body, session_idle_timeout=IDLE_SECONDS)
        self._most = most
        self._most_of_user = most_of_user
        self._still: dict[str, Still] = {}
        self._rechecked = -math.inf

    def count(self) -> float:
        return len(self._server_instances)

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        """Called under the lock that orders the openings, so that the bound is exact."""
        if requestor is not None:
            user, held = holder(requestor["client_id"]), self._held()
            if held[user] >= self._most_of_user:
                raise _CrowdedError
            if held.total() >= self._most and (crowding_user := crowding(held, user)) is not None:
                self._end_idlest(crowding_user)
        return super()._admit_session(requestor)

    async def _handle_stateful_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keeps the credential that was last good for the session."""
        requestor = authorization_context(scope["user"])
        session = Headers(scope=scope).get(MCP_SESSION_ID_HEADER)
        if session is None:
            held = self._held()
            if held.total() >= self._most or held[holder(requestor["client_id"])] >= self._most_of_user:
                await self._recheck()
        elif self._session_owners.get(session) == requestor:
            self._still[session] = scope["still"]
        await super()._handle_stateful_request(scope, receive, send)

    async def _serve_opening_request(
        self, http_transport: StreamableHTTPServerTransport, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if http_transport.mcp_session_id is not None:
            self._still[http_transport.mcp_session_id] = scope["still"]
        await super()._serve_opening_request(http_transport, scope, receive, send)

    async def _discard_session(self, session_id: str, transport: StreamableHTTPServerTransport) -> None:
        self._still.pop(session_id, None)
        await super()._discard_session(session_id, transport)

    async def _recheck(self) -> None:
        """Discard the sessions that nobody may use any more; not often, as all of their credentials are asked for."""
        if (now := anyio.current_time()) < self._rechecked + RETRY_SECONDS:
            return
        self._rechecked = now
        for session, still in list(self._still.items()):
            try:
                await still()
            except (UnauthenticatedError, ForbiddenError):
                transport = self._server_instances.get(session)
                if transport is not None and self._still.get(session) is still:
                    await self._discard_session(session, transport)
            except CodingbrainError:
                continue  # a store that does not answer says nothing about the credential

    def _held(self) -> Counter[str]:
        """How many sessions each user has."""
        return Counter(holder(owner["client_id"]) for owner in self._session_owners.values())

    def _end_idlest(self, user: str) -> None:
        """Forget a session at once, which makes room, and end it soon."""
        theirs = [each for each, owner in self._session_owners.items() if holder(owner["client_id"]) == user]
        session = min(theirs, key=lambda each: _ends(self._server_instances[each]))
        transport = self._server_instances.pop(session)
        del self._session_owners[session]
        if self._task_group is not None:
            self._task_group.start_soon(self._discard_session, session, transport)


def _ends(transport: StreamableHTTPServerTransport) -> float:
    """When it ends if it stays idle."""
    return math.inf if transport.idle_scope is None else transport.idle_scope.deadline
