"""Every route of the application: what is public, what is not, and how all of them answer."""

import re
from collections.abc import Iterator

import anyio
import httpx2
import pytest
from starlette.routing import BaseRoute, Mount, Route

from codingbrain.telemetry.requests import Requests
from codingbrain.transports.public import ROUTES as PUBLIC
from codingbrain.transports.public import Public
from tests.journeys.served import JSON, WAIT, Served, Serving

pytestmark = pytest.mark.anyio

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
REMOTE = {"X-Forwarded-For": "192.0.2.1"}
"""What a request through a proxy carries."""

METADATA = "/.well-known/oauth-protected-resource"


def paths(routes: tuple[BaseRoute, ...], prefix: str = "") -> Iterator[str]:
    """The path of every route, with something for each parameter."""
    for route in routes:
        match route:
            case Mount():
                yield from paths(tuple(route.routes), prefix + route.path)
            case Route():
                yield prefix + route.path
            case _:
                raise TypeError(route)


def every(served: Served) -> list[str]:
    assert isinstance(served.app, Requests)
    return sorted(set(paths(served.app.routes)))


def refused(answer: httpx2.Response, status: int) -> None:
    assert answer.status_code == status, (answer.request.method, str(answer.request.url), answer.text)
    if answer.request.method != "HEAD":
        assert set(answer.json()["error"]) == {"code", "message", "request_id"}


async def raw(served: Served, method: str, path: str) -> bytes:
    """The first bytes of the answer to a request with exactly this path; clients would tidy it up."""
    host, port = served.origin.removeprefix("http://").split(":")
    with anyio.fail_after(WAIT):
        async with await anyio.connect_tcp(host, int(port)) as stream:
            head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            await stream.send(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
            return await stream.receive()


@pytest.mark.proves("ID-10")
async def test_every_route_that_the_table_does_not_name_needs_a_principal(http_client: Served) -> None:
    known = every(http_client)
    assert set(PUBLIC) <= set(known)
    assert {"/mcp", "/sse", "/messages/"} <= set(known) - set(PUBLIC)
    async with http_client.http() as http:
        for path in known:
            url = re.sub(r"\{[^}]*\}", "org", path)
            for method in METHODS:
                answer = await http.request(method, url, headers=JSON | REMOTE, json={})
                if path in PUBLIC and PUBLIC[path] is not Public.LOCAL:
                    assert answer.status_code == 200 if method in {"GET", "HEAD"} else 405
                    continue
                refused(answer, 401)
                assert answer.headers.get_list("www-authenticate")


@pytest.mark.proves("ID-10")
@pytest.mark.parametrize(
    "path",
    [
        "//mcp",
        "/mcp/",
        "/mcp//",
        "/MCP",
        "/Mcp",
        "/mcp;x",
        "/mcp%20",
        "/mcp%00",
        "/./mcp",
        "/x/../mcp",
        "/messages/../mcp",
        "/messages",
        "/messages//",
        "/messages/x",
        "/health/live/../../mcp",
        "/health/%2e%2e/mcp",
        "/%2fmcp",
        "/mcp%2f",
        "//admin/limits",
        "/ADMIN/limits",
        "/health/live/",
        "/.well-known/oauth-protected-resource/../../mcp",
        "/.well-known/oauth-protected-resource/nothing",
    ],
)
async def test_no_spelling_of_a_path_is_a_way_around_the_gate(http_client: Served, path: str) -> None:
    """What is not a route is 404 for everybody, and never a redirect."""
    for method in ("GET", "POST"):
        assert (await raw(http_client, method, path)).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "path", ["/%6dcp", "/m%63p", "/%73se", "/messages%2f", "/admin/%6cimits", "/mcp?x=/health/live"]
)
async def test_an_encoded_path_is_the_same_path(http_client: Served, path: str) -> None:
    assert (await raw(http_client, "POST", path)).startswith(b"HTTP/1.1 401 ")


@pytest.mark.proves("ID-10")
async def test_the_metadata_says_where_tokens_come_from(http_client: Served, serving: Serving) -> None:
    async with http_client.http() as http:
        for path in (METADATA, f"{METADATA}/mcp", f"{METADATA}/sse", f"{METADATA}/admin"):
            answer = await http.get(path, headers={"Origin": "https://anywhere.example"})
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["cache-control"].startswith("public")
            told = answer.json()
            assert told["resource"] == http_client.origin
            assert told["scopes_supported"] == ["memories:read", "memories:write"]
            assert told["bearer_methods_supported"] == ["header"]
            assert told["dpop_bound_access_tokens_required"] is False
            assert "ES256" in told["dpop_signing_alg_values_supported"]
            assert "authorization_servers" not in told
    issuer = {"url": "https://login.example", "jwks_url": "https://login.example/keys", "org": "local"}
    with serving(public_url="https://brain.example", issuers=[issuer], dpop="required") as served:
        async with served.http() as http:
            answer = await http.get(METADATA)
            assert answer.headers["strict-transport-security"]
            told = answer.json()
            assert told["resource"] == "https://brain.example"
            assert told["authorization_servers"] == ["https://login.example"]
            assert told["dpop_bound_access_tokens_required"] is True
            unknown = await http.get("/sse")
            (challenge,) = unknown.headers.get_list("www-authenticate")
            assert challenge.startswith("DPoP ")
            assert f'resource_metadata="https://brain.example{METADATA}"' in challenge


@pytest.mark.proves("ID-10")
async def test_answers_are_safe_in_browsers_and_not_kept(http_client: Served) -> None:
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        for path in ("/mcp", "/nothing", "/health/live", "/health/deps", METADATA):
            headers = (await http.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-request-id"]
            assert "strict-transport-security" not in headers
            assert ("no-store" in headers.get("cache-control", "")) == (path not in {METADATA, "/nothing"})


@pytest.mark.proves("ID-10")
async def test_pages_of_listed_origins_may_call(serving: Serving) -> None:
    page = {"Origin": "https://app.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,dpop,mcp-method"}
    with serving(cors_origins=["https://app.example"]) as served:
        async with served.http() as http:
            allowed = await http.options("/mcp", headers=page | asked)
            assert allowed.status_code == 200
            assert allowed.headers["access-control-allow-origin"] == "https://app.example"
            for path, status in (("/mcp", 401), ("/nothing", 404), ("/health/live", 200)):
                answer = await http.get(path, headers=page)
                assert answer.status_code == status
                assert answer.headers["access-control-allow-origin"] == "https://app.example"
                assert "DPoP-Nonce" in answer.headers["access-control-expose-headers"]
            foreign = await http.options("/mcp", headers={"Origin": "https://evil.example"} | asked)
            refused(foreign, 403)
            assert "access-control-allow-origin" not in foreign.headers
