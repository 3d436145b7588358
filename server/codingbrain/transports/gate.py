"""The gate before the SDK's HTTP transports: credential, body cap and tool scopes, in that order.

A 403 that tells a client which scopes to ask for can only be sent here, before a transport has answered; the guard
makes the same decision again for every transport.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import anyio
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp_types import JSONRPCMessage, JSONRPCRequest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codingbrain.clock import SECOND
from codingbrain.errors import CodingbrainError, UnauthenticatedError
from codingbrain.identity.principal import Principal, current
from codingbrain.identity.scopes import Scope as Permission
from codingbrain.toolkit.replies import failure, refusal
from codingbrain.transports.message import MalformedError, parse

_TOKEN: Final = re.compile(r"(?i:bearer) +([\w.~+/=-]{1,4096})", re.ASCII)
_TRIMMED: Final = frozenset({b"mcp-method", b"mcp-name", b"mcp-protocol-version", b"mcp-session-id"})
_CHALLENGE: Final = 'Bearer realm="codingbrain"'
_INVALID: Final = (
    f'{_CHALLENGE}, error="invalid_token", error_description="The token is not valid here, or not any more."'
)

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gate asks: who a token stands for, and what a tool needs; `recheck_seconds` applies to open streams."""

    verify: Callable[[str], Awaitable[Principal]]
    needed: Callable[[str], frozenset[Permission]]
    max_body: int
    recheck_seconds: float = 1.0


class Gate:
    """ASGI middleware around one transport; every request is authorised by the credential that it carries itself."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, 401, 403 or 413, or let the request through as its principal."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        try:
            token = _token(scope["headers"])
            principal = await self._policy.verify(token)
            if scope["method"] == "POST":
                body = await _body(scope["headers"], receive, self._policy.max_body)
                self._authorise(principal, _called(_message(body)))
                receive = _Replay(body, receive)
        except UnauthenticatedError:
            await refusal(401, headers={"WWW-Authenticate": _INVALID})(scope, receive, send)
        except CodingbrainError as error:
            await failure(error)(scope, receive, send)
        except _RefusedError as refused:
            await refused.reply(scope, receive, send)
        else:
            await self._serve(_admitted(scope, principal), receive, _Answer(send), principal, token)

    def _authorise(self, principal: Principal, tool: str | None) -> None:
        needed: frozenset[Permission] = self._policy.needed(tool) if tool is not None else frozenset()
        if not needed <= principal.scopes:
            listed = " ".join(sorted(needed))
            challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{listed}"'
            message = f"This call needs a credential with: {listed}."
            raise _RefusedError(
                refusal(403, message, code="insufficient_scope", headers={"WWW-Authenticate": challenge})
            )

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer", principal: Principal, token: str) -> None:
        """Run the transport as `principal`; for a stream the client is gone once its token is."""
        caller, user = current.set(principal), auth_context_var.set(scope["user"])
        try:
            if scope["method"] != "GET":
                await self._app(scope, receive, answer.send)
                return
            stream = _Stream(receive)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, token, stream)
                await self._app(scope, stream.receive, answer.send)
                tasks.cancel_scope.cancel()
            await answer.end()
        finally:
            auth_context_var.reset(user)
            current.reset(caller)

    async def _watch(self, token: str, stream: "_Stream") -> None:
        while True:
            await anyio.sleep(self._policy.recheck_seconds)
            try:
                await self._policy.verify(token)
            except UnauthenticatedError:
                stream.ended.set()
                return
            except CodingbrainError:
                continue  # a store that does not answer says nothing about the token


class _RefusedError(Exception):
    """The request is answered here."""

    def __init__(self, reply: Response) -> None:
        super().__init__(reply.status_code)
        self.reply = reply


class _Replay:
    """`receive` for a body that has been read."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._pending: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        message, self._pending = self._pending, None
        return message or await self._receive()


class _Stream:
    """`receive` that reports a disconnect once the stream is to end, so that the transport cleans up as ever."""

    def __init__(self, receive: Receive) -> None:
        self.ended = anyio.Event()
        self._receive = receive

    async def receive(self) -> Message:
        message: Message = {"type": "http.disconnect"}
        async with anyio.create_task_group() as race:

            async def listen() -> None:
                nonlocal message
                message = await self._receive()
                race.cancel_scope.cancel()

            race.start_soon(listen)
            await self.ended.wait()
            race.cancel_scope.cancel()
        return message


class _Answer:
    """`send` that gives the transport's bare refusals the body of all others, and can end a stream."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._open = False
        self._replaced = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_bare(message):
            self._replaced = True
            await self._replace(message)
        elif not self._replaced:
            self._open = message["type"] == "http.response.start" or message.get("more_body", False)
            await self._send(message)

    async def end(self) -> None:
        """Finish an answer that was cut off."""
        if self._open:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _replace(self, message: Message) -> None:
        reply = refusal(message["status"])
        allow = [(name, value) for name, value in message.get("headers", ()) if name.lower() == b"allow"]
        await self._send({**message, "headers": [*reply.raw_headers, *allow]})
        await self._send({"type": "http.response.body", "body": reply.body, "more_body": False})


def _is_bare(message: Message) -> bool:
    if message["status"] < 400:  # noqa: PLR2004 - where errors begin
        return False
    kinds = [value for name, value in message.get("headers", ()) if name.lower() == b"content-type"]
    return not any(kind.startswith(b"application/json") for kind in kinds)


def _token(headers: Headers) -> str:
    """The bearer token of the one `Authorization` header (RFC 6750, section 2.1)."""
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) > 1:
        raise _RefusedError(refusal(400, "Authorization may be sent once."))
    if not values or not (found := _TOKEN.fullmatch(values[0].decode("latin-1").strip())):
        raise _RefusedError(refusal(401, headers={"WWW-Authenticate": _CHALLENGE}))
    return found[1]


async def _body(headers: Headers, receive: Receive, cap: int) -> bytes:
    """The body, if it says that it is JSON and keeps under the cap."""
    fields = dict(headers)
    if not fields.get(b"content-type", b"").lower().startswith(b"application/json"):
        raise _RefusedError(refusal(415))
    declared, read = fields.get(b"content-length", b""), bytearray()
    if declared.isdigit() and int(declared[:20]) > cap:
        raise _too_large(cap)
    while (message := await receive())["type"] == "http.request":
        read += message.get("body", b"")
        if len(read) > cap:
            raise _too_large(cap)
        if not message.get("more_body", False):
            return bytes(read)
    raise _RefusedError(refusal(400, "The request ended before its body."))


def _too_large(cap: int) -> _RefusedError:
    return _RefusedError(refusal(413, f"A request body may have at most {cap} bytes."))


def _message(body: bytes) -> JSONRPCMessage:
    try:
        return parse(body)
    except MalformedError as error:
        content = error.reply.model_dump(by_alias=True, exclude_unset=True)
        raise _RefusedError(JSONResponse(content, 400)) from None


def _called(message: JSONRPCMessage) -> str | None:
    """The tool that a message names."""
    match message:
        case JSONRPCRequest(method="tools/call", params={"name": str(name)}):
            return name
        case _:
            return None


def _admitted(scope: Scope, principal: Principal) -> Scope:
    """The scope as the SDK's transports want it: their own user, and routing headers without outer blanks."""
    headers: Headers = scope["headers"]
    if any(name in _TRIMMED and value != value.strip() for name, value in headers):
        headers = [(name, value.strip() if name in _TRIMMED else value) for name, value in headers]
    return {**scope, "headers": headers, "user": _user(principal)}


@lru_cache(maxsize=256)
def _user(principal: Principal) -> AuthenticatedUser:
    """The SDK binds a session to this: org, user and client in one name. The secret itself goes no further."""
    bound: dict[str, Any] = {
        "token": "",
        "client_id": f"{principal.client}|{principal.org}|{principal.user}",
        "scopes": sorted(principal.scopes),
        "subject": str(principal.user),
        "expires_at": principal.expires_at // SECOND if principal.expires_at is not None else None,
    }
    return AuthenticatedUser(AccessToken(**bound))
