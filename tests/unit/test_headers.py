"""What every answer carries, and what pages of other origins may do."""

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from codingbrain.transports.headers import Headers
from codingbrain.transports.origin import Origins, is_local

pytestmark = pytest.mark.anyio

PAGE = "https://app.example"
OPEN = "/.well-known/oauth-protected-resource"


async def answers(request: Request) -> Response:
    match request.url.path:
        case "/json":
            return JSONResponse({"error": "ours"}, 404)
        case "/text":
            return PlainTextResponse("Disallowed", 400, {"Allow": "GET", "X-Frame-Options": "SAMEORIGIN"})
        case _:
            return PlainTextResponse("ok")


def client(*, tls: bool = False) -> httpx2.AsyncClient:
    routes = [Route(path, answers) for path in ("/json", "/text", "/ok", OPEN)]
    known = Origins(Starlette(routes=routes), "https://brain.example", [f"{PAGE.upper()}:443"], [OPEN])
    transport = httpx2.ASGITransport(Headers(known, tls=tls))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=5)


async def test_every_answer_is_safe_in_a_browser() -> None:
    async with client() as http:
        for path in ("/ok", "/json", "/nothing"):
            headers = (await http.get(path)).headers
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert {"permissions-policy", "cross-origin-opener-policy", "cross-origin-resource-policy"} <= set(headers)
            assert "strict-transport-security" not in headers
    async with client(tls=True) as http:
        assert (await http.get("/ok")).headers["strict-transport-security"].startswith("max-age=")


async def test_a_bare_refusal_gets_the_common_body_and_keeps_its_headers() -> None:
    async with client() as http:
        answer = await http.get("/text")
        assert answer.json()["error"]["code"] == "invalid_request"
        assert (answer.headers["allow"], answer.headers["x-frame-options"]) == ("GET", "SAMEORIGIN")
        assert answer.headers["content-length"] == str(len(answer.content))
        assert (await http.get("/json")).json() == {"error": "ours"}


async def test_listed_pages_may_read_answers_and_refusals() -> None:
    async with client() as http:
        for path, status in (("/ok", 200), ("/text", 400), ("/nothing", 404)):
            answer = await http.get(path, headers={"Origin": PAGE})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert answer.headers["vary"] == "Origin"
            assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers
        assert "access-control-allow-origin" not in (await http.get("/ok")).headers


@pytest.mark.parametrize(
    ("origin", "path", "status", "allowed"),
    [
        (PAGE, "/ok", 200, PAGE),
        (PAGE, OPEN, 200, "*"),
        ("https://evil.example", OPEN, 200, "*"),
        ("https://evil.example", "/ok", 403, None),
        ("https://app.example.evil.example", "/ok", 403, None),
        ("https://app.example:444", "/ok", 403, None),
        ("http://app.example", "/ok", 403, None),
        ("null", "/ok", 403, None),
    ],
)
async def test_preflights(origin: str, path: str, status: int, allowed: str | None) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "dpop,authorization"}
    async with client() as http:
        answer = await http.options(path, headers={"Origin": origin, **asked})
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, allowed)


async def test_a_preflight_for_what_is_not_allowed_is_refused_in_the_common_form() -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "cookie"}
    async with client() as http:
        answer = await http.options("/ok", headers={"Origin": PAGE, **asked})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("peer", "headers", "local"),
    [
        ("127.0.0.1", {"host": "localhost:8765"}, True),
        ("::1", {"host": "[::1]"}, True),
        ("192.0.2.1", {"host": "localhost"}, False),
        ("127.0.0.1", {"host": "brain.example"}, False),
        ("127.0.0.1", {"host": "localhost", "x-forwarded-for": "192.0.2.1"}, False),
        ("127.0.0.1", {"host": "localhost", "forwarded": "for=192.0.2.1"}, False),
        ("testclient", {"host": "localhost"}, False),
        (None, {"host": "localhost"}, False),
    ],
)
async def test_who_is_on_this_machine(peer: str | None, headers: dict[str, str], local: bool) -> None:  # noqa: FBT001 - a column
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert is_local({"client": peer and (peer, 1), "headers": raw}) is local
