"""The gate where a real store would not fail on demand, and the whole application around it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import anyio
import httpx2
import pytest
from mcp.server.auth.middleware.auth_context import get_access_token
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codingbrain.app import build, protocol
from codingbrain.clock import SECOND
from codingbrain.errors import UnauthenticatedError, UnavailableError
from codingbrain.identity.principal import Principal, current
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.runtime import Readiness, Runtime
from codingbrain.settings import load
from codingbrain.telemetry.metrics import Metrics
from codingbrain.transports.gate import Gate, Policy

CALLER = Principal(UUID(int=1), UUID(int=2), "someone", "test", EVERYTHING, expires_at=2_000_000_000 * SECOND)
MAX_BODY = 1_000

Verify = Callable[[str], Awaitable[Principal]]


async def anyone(_: str) -> Principal:
    return CALLER


def failing(error: Exception) -> Verify:
    async def verify(_: str) -> Principal:
        raise error

    return verify


def policy(verify: Verify = anyone) -> Policy:
    return Policy(verify, lambda _: frozenset(), MAX_BODY, recheck_seconds=0.01)


def scope(method: str = "GET", **headers: str) -> Scope:
    fields = {"authorization": "Bearer abc", "content-type": "application/json", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return {"type": "http", "method": method, "path": "/mcp", "headers": raw}


async def ask(app: ASGIApp, asked: Scope, *body: bytes) -> list[Message]:
    """What an application sends for a request whose client then stays."""
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await anyio.sleep_forever()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    with anyio.fail_after(5):
        await app(asked, receive, send)
    return sent


async def inside(asked: Scope, receive: Receive, send: Send) -> None:
    """Shows what a transport sees."""
    message = await receive()
    token = get_access_token()
    caller = current.get()
    assert caller is not None
    assert token is not None
    assert token.token == ""
    assert token.expires_at == 2_000_000_000
    assert asked["user"].access_token is token
    shown = f"{caller.user_name} {token.client_id} {message['body'].decode()}"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": shown.encode()})


PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


@pytest.mark.anyio
async def test_a_transport_sees_the_principal_and_the_whole_body() -> None:
    _, body = await ask(Gate(inside, policy()), scope("POST"), PING[:10], PING[10:])
    bound = f"test|{CALLER.org}|{CALLER.user}"
    assert body["body"].decode() == f"someone {bound} {PING.decode()}"
    assert current.get() is None
    assert get_access_token() is None


@pytest.mark.parametrize(
    ("error", "status"), [(UnauthenticatedError("no"), 401), (UnavailableError("the record does not answer"), 503)]
)
@pytest.mark.anyio
async def test_a_verifier_that_refuses_or_fails(error: Exception, status: int) -> None:
    start, _ = await ask(Gate(inside, policy(failing(error))), scope())
    assert start["status"] == status


@pytest.mark.anyio
async def test_an_announced_body_over_the_cap_is_not_read() -> None:
    start, _ = await ask(Gate(inside, policy()), scope("POST", content_length=str(MAX_BODY + 1)))
    assert start["status"] == 413


@pytest.mark.anyio
async def test_a_client_that_leaves_within_its_body() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await Gate(inside, policy())(scope("POST"), receive, send)
    assert sent[0]["status"] == 400


@pytest.mark.anyio
async def test_websockets_are_closed() -> None:
    assert await ask(Gate(inside, policy()), {"type": "websocket"}) == [{"type": "websocket.close"}]


async def streaming(_: Scope, receive: Receive, send: Send) -> None:
    """A stream that ends when its client leaves."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.anyio
async def test_a_stream_outlives_a_store_that_does_not_answer_but_not_its_token() -> None:
    answers: list[Exception | None] = [None, UnavailableError("away"), None, UnauthenticatedError("revoked")]
    asked = 0

    async def verify(_: str) -> Principal:
        nonlocal asked
        error, asked = answers[asked], asked + 1
        if error:
            raise error
        return CALLER

    sent = await ask(Gate(streaming, policy(verify)), scope())
    assert asked == len(answers)
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.anyio
async def test_a_bare_refusal_gets_the_common_body() -> None:
    async def refusing(_: Scope, __: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/plain"), (b"allow", b"GET")]
        await send({"type": "http.response.start", "status": 405, "headers": headers})
        await send({"type": "http.response.body", "body": b"Method Not Allowed"})

    start, body = await ask(Gate(refusing, policy()), scope("DELETE"))
    assert (b"allow", b"GET") in start["headers"]
    assert body["body"].startswith(b'{"error":{"code":"method_not_allowed"')


@asynccontextmanager
async def application(readiness: Callable[[], Awaitable[Readiness]]) -> AsyncGenerator[httpx2.AsyncClient]:
    """The whole application over parts that fail on demand."""
    parts = SimpleNamespace(
        settings=load({"public_url": "https://brain.example"}),
        metrics=Metrics("1"),
        version="1",
        tokens=SimpleNamespace(verify=anyone),
        workspace=lambda principal: SimpleNamespace(principal=principal),
        readiness=readiness,
    )
    runtime = cast("Runtime", parts)
    app = build(runtime, protocol(runtime))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=5) as http:
        yield http


@pytest.mark.parametrize(("state", "status"), [("ok", 200), ("degraded", 200), ("down", 503)])
@pytest.mark.anyio
async def test_readiness_follows_the_runtime(state: str, status: int) -> None:
    async def readiness() -> Readiness:
        return Readiness(state, {"record": state})

    async with application(readiness) as http:
        answer = await http.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (status, state)


@pytest.mark.anyio
async def test_what_breaks_is_answered_without_its_words() -> None:
    async def readiness() -> Any:  # noqa: ANN401 - nothing ever comes
        raise RuntimeError("the password is hunter2")

    async with application(readiness) as http:
        answer = await http.get("/health/ready")
    assert answer.status_code == 500
    told = {"code": "internal", "message": "The server failed.", "request_id": answer.headers["x-request-id"]}
    assert answer.json() == {"error": told}


@pytest.mark.anyio
async def test_metrics_are_not_shown_through_the_public_origin() -> None:
    async with application(cast("Any", None)) as http:
        for host, status in (("brain.example", 403), ("brain.example:443", 403), ("localhost:8765", 200)):
            assert (await http.get("/metrics", headers={"Host": host})).status_code == status
        assert (await http.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})).status_code == 403
