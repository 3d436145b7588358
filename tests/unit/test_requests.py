"""HTTP below the transports: ids, metrics, hosts, origins, replies."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message

from codingbrain import errors
from codingbrain.errors import CodingbrainError
from codingbrain.telemetry.context import audited_id, chosen, request_id
from codingbrain.telemetry.metrics import Metrics
from codingbrain.telemetry.requests import Requests
from codingbrain.toolkit.mcp import PROTOCOL_ERRORS, failed
from codingbrain.toolkit.replies import failure, status_of
from codingbrain.transports.origin import Origins


async def echo(request: Request) -> PlainTextResponse:
    del request
    return PlainTextResponse(request_id.get(), headers={"Audited": audited_id() or ""})


async def inner(request: Request) -> PlainTextResponse:
    return await echo(request)


async def stream(request: Request) -> StreamingResponse:
    del request
    return StreamingResponse(iter(["data: x\n\n"]), media_type="text/event-stream")


ROUTES = [Route("/echo/{name}", echo), Route("/stream", stream), Mount("/sub", routes=[Route("/x", inner)])]


def client(app: ASGIApp, origin: str = "http://127.0.0.1:8765") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=origin, timeout=5)


def counted(metrics: Metrics) -> dict[tuple[str, str, str], float]:
    samples = next(iter(metrics.http_requests.collect())).samples
    return {
        (each.labels["method"], each.labels["route"], each.labels["status"]): each.value
        for each in samples
        if each.name.endswith("_total")
    }


@pytest.mark.anyio
async def test_a_request_id_is_made_and_returned() -> None:
    async with client(Requests(Starlette(routes=ROUTES), Metrics(), ROUTES)) as http:
        first, second = await http.get("/echo/a"), await http.get("/echo/a")
    assert first.text == first.headers["x-request-id"] != second.text
    assert len(first.text) == 32
    assert first.headers["audited"] == first.text
    assert request_id.get() == ""


@pytest.mark.parametrize("given", ["abc-123.~_:", "x" * 128, "0123456789abcdef" * 2, "client:x"])
@pytest.mark.anyio
async def test_a_well_formed_request_id_is_kept_and_marked_where_it_is_evidence(given: str) -> None:
    async with client(Requests(Starlette(routes=ROUTES), Metrics(), ROUTES)) as http:
        answer, next_ = await http.get("/echo/a", headers={"X-Request-ID": given}), await http.get("/echo/a")
    assert answer.headers["x-request-id"] == answer.text == given
    assert answer.headers["audited"] == f"client:{given}"
    assert next_.headers["audited"] == next_.text
    assert not chosen.get()


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "ü"])
@pytest.mark.anyio
async def test_a_malformed_request_id_is_replaced(given: str) -> None:
    async with client(Requests(Starlette(routes=ROUTES), Metrics(), ROUTES)) as http:
        answer = await http.get("/echo/a", headers=[(b"X-Request-ID", given.encode())])
    assert answer.headers["audited"] == answer.text != given


@pytest.mark.anyio
async def test_requests_are_counted_by_route_pattern() -> None:
    metrics = Metrics()
    async with client(Requests(Starlette(routes=ROUTES), metrics, ROUTES)) as http:
        for path in ("/echo/a", "/echo/b", "/sub/x", "/stream", "/nothing/here", "/echo/a/b"):
            await http.get(path)
        await http.request("BREW", "/echo/a")
    assert counted(metrics) == {
        ("GET", "/echo/{name}", "200"): 2,
        ("GET", "/sub/x", "200"): 1,
        ("GET", "/stream", "200"): 1,
        ("GET", "other", "404"): 2,
        ("other", "/echo/{name}", "405"): 1,
    }
    timed = {each.labels["route"] for each in next(iter(metrics.http_request_duration.collect())).samples}
    assert "/stream" not in timed


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8765", 200),
        ("[::1]", 200),
        ("brain.example", 200),
        ("brain.example:443", 200),
        ("brain.example:8443", 421),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("localhost:", 421),
        ("localhost:80:80", 421),
        ("localhost:eighty", 421),
        ("[::1]x", 421),
        ("[::1]:", 421),
        ("", 421),
    ],
)
@pytest.mark.anyio
async def test_only_own_hosts_are_answered(host: str, status: int) -> None:
    app = Origins(Starlette(routes=ROUTES), "https://Brain.Example")
    async with client(app) as http:
        assert (await http.get("/echo/a", headers={"Host": host})).status_code == status


@pytest.mark.anyio
async def test_a_missing_or_repeated_host_is_refused() -> None:
    app = Origins(Starlette(routes=ROUTES))
    for headers in ([], [(b"host", b"localhost"), (b"host", b"evil.example")]):
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/echo/a", "headers": headers}
        assert await _status(app, scope) == 421


async def _status(app: ASGIApp, scope: dict[str, Any]) -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1", 200),
        ("https://brain.example", 200),
        ("http://brain.example", 403),
        ("https://brain.example:444", 403),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("null", 403),
        ("localhost", 403),
        ("file://", 403),
        ("vscode-webview://localhost", 403),
    ],
)
@pytest.mark.anyio
async def test_only_own_origins_are_answered(origin: str, status: int) -> None:
    async with client(Origins(Starlette(routes=ROUTES), "https://brain.example")) as http:
        assert (await http.get("/echo/a", headers={"Origin": origin})).status_code == status


def failures(kind: type[CodingbrainError] = CodingbrainError) -> Iterator[type[CodingbrainError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from failures(each)


def make(kind: type[CodingbrainError]) -> CodingbrainError:
    if issubclass(kind, errors.ConfigurationError):
        return kind(["a: b"])
    return kind("what happened", 2.5) if issubclass(kind, errors.RateLimitedError) else kind("what happened")


@pytest.mark.parametrize("kind", list(failures()))
def test_every_failure_has_an_http_reply(kind: type[CodingbrainError]) -> None:
    error = make(kind)
    reply = failure(error)
    assert reply.status_code == status_of(type(error)) >= 400
    assert (reply.status_code in {429, 503}) == error.retryable
    assert ("retry-after" in reply.headers) == error.retryable
    assert error.code.encode() in bytes(reply.body)


@pytest.mark.parametrize("kind", list(failures()))
def test_every_failure_has_an_mcp_reply(kind: type[CodingbrainError]) -> None:
    error = make(kind)
    if kind in PROTOCOL_ERRORS:
        with pytest.raises(Exception, match="what happened"):
            failed(error)
    else:
        told = failed(error)
        assert told["isError"] is True
        assert told["structuredContent"]["code"] == error.code
        assert told["content"][0]["text"] == f"{error.code}: {error.message}"
