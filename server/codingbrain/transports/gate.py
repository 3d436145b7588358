"""The gate before every HTTP application: credential, bounded body, rate limit and scopes, in that order.

A 403 that tells a client which scopes to ask for can only be sent here, before a transport has answered; the guard
makes the same decision again for every transport.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from mcp.server.auth.middleware.auth_context import auth_context_var
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codingbrain.access.credential import Credential, Scheme
from codingbrain.clock import Clock
from codingbrain.errors import (
    CodingbrainError,
    ForbiddenError,
    InsufficientScopeError,
    RateLimitedError,
    UnauthenticatedError,
)
from codingbrain.identity.principal import Principal, current
from codingbrain.limits.standing import Standing, charged
from codingbrain.limits.standing import refusal as limited
from codingbrain.toolkit.replies import failure, refusal
from codingbrain.transports.body import read
from codingbrain.transports.challenge import Challenges, Headers
from codingbrain.transports.credentials import presented
from codingbrain.transports.demand import Demand, Demands
from codingbrain.transports.places import Places
from codingbrain.transports.refused import RefusedError
from codingbrain.transports.session import bound
from codingbrain.transports.stream import Watch

AUTH: Final = "auth"
"""What the audit log calls a request before it is known what it asks for."""

_BODILESS: Final = frozenset({"GET", "HEAD"})
_ROUTING: Final = (b"mcp-method", b"mcp-name", b"mcp-protocol-version", b"mcp-session-id")
_SECRET: Final = (b"authorization", b"dpop", b"cookie")
_CACHE: Final = b"cache-control"
_NO_STORE: Final = (_CACHE, b"no-store")

Still = Callable[[], Awaitable[Principal]]
"""Whether a credential is good, at any later time."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gates of a process share.

    `authenticate`, `still` and `nonce` are those of `access.Authenticator`, `charge` is the limiter's, `told` gives
    its headers, `denied` is the audit trail's. `recheck_seconds` applies to open streams.
    """

    authenticate: Callable[[Credential], Awaitable[Principal]]
    still: Callable[[str], Awaitable[Principal]]
    nonce: Callable[[], str | None]
    charge: Callable[[Principal, str, int], Standing]
    told: Callable[[Standing], Headers]
    denied: Callable[[Principal | None, str, str], None]
    challenges: Challenges
    places: Places
    clock: Clock
    max_body: int
    body_seconds: float
    recheck_seconds: float = 1.0


class Visit:
    """One request: what is known of it so far, its body to be read again, and its answer on the way out.

    The two callables hand their caller the server's own awaitables, so that no frame stands between them.
    """

    credential: Credential | None = None
    principal: Principal | None = None
    demand: Demand | None = None
    standing: Standing | None = None
    body: bytes | None = None

    def __init__(self, policy: Policy, receive: Receive, send: Send, *, proves: bool) -> None:
        self.proves = proves
        self._policy = policy
        self._receive = receive
        self._send = send

    def receive(self) -> Awaitable[Message]:
        """The body once, then whatever the server says."""
        body, self.body = self.body, None
        return self._receive() if body is None else _whole(body)

    def send(self, message: Message) -> Awaitable[None]:
        """Adds what every answer carries: the standing, the next nonce, and that it is not to be stored."""
        if message["type"] == "http.response.start":
            added = [] if self.standing is None else self._policy.told(self.standing)
            if self.proves and (nonce := self._policy.nonce()) is not None:
                added.append((b"dpop-nonce", nonce.encode("ascii")))
            headers = message.get("headers", ())
            if _CACHE not in [name for name, _ in headers]:
                added.append(_NO_STORE)
            message["headers"] = [*headers, *added]
        return self._send(message)


class Gate:
    """ASGI middleware around one path; every request is authorised by the credential that it carries itself.

    `demands` says what a request needs; `strangers`, which requests pass without a credential.
    """

    def __init__(
        self, app: ASGIApp, policy: Policy, demands: Demands, strangers: Callable[[Scope], bool] = lambda _: False
    ) -> None:
        self._app = app
        self._policy = policy
        self._demands = demands
        self._strangers = strangers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, 401, 403, 408, 413, 415, 429 or 503, or let the request through as its principal."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        policy, method = self._policy, scope["method"]
        fields: dict[bytes, bytes] = dict(scope["headers"])
        visit = Visit(policy, receive, send, proves=b"dpop" in fields)
        try:
            visit.credential = credential = presented(scope, fields)
            if credential is not None:
                visit.proves |= credential.scheme is Scheme.DPOP
                visit.principal = principal = await policy.authenticate(credential)
                if method not in _BODILESS:
                    visit.body = await read(fields, receive, policy.max_body, policy.body_seconds)
                visit.demand = demand = self._demands(method, visit.body or b"")
                self._admit(visit, principal, demand)
            elif not self._strangers(scope):
                raise RefusedError(self._challenge())  # noqa: TRY301 - answered as every other refusal
        except RefusedError as refused:
            await self._refused(visit, method, refused.reply)(scope, receive, visit.send)
        except CodingbrainError as error:
            await self._refusal(visit, error)(scope, receive, visit.send)
        else:
            scope["headers"] = _onward(scope["headers"], fields)
            await self._serve(visit, scope)

    def _admit(self, visit: Visit, principal: Principal, demand: Demand) -> None:
        policy = self._policy
        if demand.cost:
            visit.standing = standing = policy.charge(principal, demand.item, demand.cost)
            if standing.retry_after is not None:
                raise limited(standing)
        principal.check(demand.scopes)
        if demand.streams:
            policy.places.take(principal)

    def _refused(self, visit: Visit, method: str, reply: Response) -> Response:
        """A refused body costs its sender a unit, so that a flood of them ends as every other does."""
        if visit.principal is None:
            return reply
        visit.demand = demand = self._demands.refused(method)
        visit.standing = standing = self._policy.charge(visit.principal, demand.item, 1)
        if standing.retry_after is None:
            return reply
        answer = self._refusal(visit, limited(standing))
        if (close := reply.headers.get("connection")) is not None:
            answer.headers["connection"] = close
        return answer

    async def _serve(self, visit: Visit, scope: Scope) -> None:
        """Run the application as the principal; an answer that stays open ends with the credential.

        The SDK finds the principal in the context of the message, other applications in the scope; what keeps
        something open for later asks `still` whether the credential is good then.
        """
        principal, credential, demand = visit.principal, visit.credential, visit.demand
        if principal is None or credential is None or demand is None:
            await self._app(scope, visit.receive, visit.send)
            return
        scope["user"] = user = bound(principal)
        scope["principal"] = principal
        scope["still"] = still = partial(self._policy.still, credential.token)
        tokens = current.set(principal), auth_context_var.set(user), charged.set(True)
        try:
            if demand.streams:
                await self._stream(visit, scope, principal, still)
            else:
                await self._app(scope, visit.receive, visit.send)
        finally:
            current.reset(tokens[0])
            auth_context_var.reset(tokens[1])
            charged.reset(tokens[2])

    async def _stream(self, visit: Visit, scope: Scope, principal: Principal, still: Still) -> None:
        policy = self._policy
        try:
            watch = Watch(still, principal.expires_at, policy.clock, policy.recheck_seconds)
            await watch.run(self._app, scope, visit.receive, visit.send)
        finally:
            policy.places.free(principal)

    def _challenge(self) -> Response:
        """For a request without a credential."""
        self._policy.denied(None, AUTH, UnauthenticatedError.code)
        reply = refusal(401)
        reply.raw_headers.extend(self._policy.challenges.plain)
        return reply

    def _refusal(self, visit: Visit, error: CodingbrainError) -> Response:
        """A failure as an answer, with what would help; what was denied goes to the audit log."""
        policy, reply = self._policy, failure(error)
        match error:
            case UnauthenticatedError():
                reply.raw_headers.extend(policy.challenges.unauthenticated(error.code, error.message))
            case InsufficientScopeError() if visit.demand:
                reply.raw_headers.extend(policy.challenges.insufficient(visit.demand.scopes, error.message))
            case RateLimitedError() if visit.standing is not None and visit.standing.retry_after is not None:
                del reply.headers["Retry-After"]  # the standing says it too
            case InsufficientScopeError() | ForbiddenError() | RateLimitedError():
                pass
            case _:
                return reply
        policy.denied(visit.principal, visit.demand.item if visit.demand else AUTH, error.code)
        return reply


async def _whole(body: bytes) -> Message:
    return {"type": "http.request", "body": body, "more_body": False}


def _onward(headers: Headers, fields: dict[bytes, bytes]) -> Headers:
    """The headers without what was meant for the gate only, and with routing headers as the SDK compares them.

    That is, without outer blanks (RFC 9110, section 5.5).
    """
    if len(fields) != len(headers):
        return [(name, value.strip() if name in _ROUTING else value) for name, value in headers if name not in _SECRET]
    for name in _SECRET:
        fields.pop(name, None)
    for name in _ROUTING:
        if (value := fields.get(name)) is not None:
            fields[name] = value.strip()
    return list(fields.items())
