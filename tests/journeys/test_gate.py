"""Who gets in: credentials, hosts, origins, scopes, and sessions that belong to somebody."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from codingbrain.identity.scopes import EVERYTHING, Scope
from tests.journeys.served import JSON, Served, modern

pytestmark = pytest.mark.anyio

MCP_PATHS = pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp"), ("GET", "/sse"), ("POST", "/messages/?session_id=0")],
)
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}

Forge = Callable[[Served], str]


def garbage(_: Served) -> str:
    return "garbage"


def misshapen(_: Served) -> str:
    return "cbr_x.y"


def revoked(served: Served) -> str:
    token, id_ = served.token()
    served.revoke(id_)
    return token


def expired(served: Served) -> str:
    return served.token(lifetime=1)[0]


def tampered(served: Served) -> str:
    token, _ = served.token()
    return token[:-1] + ("A" if token[-1] != "A" else "B")


@MCP_PATHS
async def test_no_credential_is_challenged_without_an_error(http_client: Served, method: str, path: str) -> None:
    async with http_client.http() as http:
        for headers in ({}, {"Authorization": "Basic dXNlcjpwYXNz"}, {"Authorization": "Bearer"}):
            answer = await http.request(method, path, headers=JSON | headers, json=PING)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="codingbrain"'
            assert answer.json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize("forge", [garbage, misshapen, revoked, expired, tampered])
@MCP_PATHS
async def test_a_token_that_is_not_good_is_refused(http_client: Served, method: str, path: str, forge: Forge) -> None:
    async with http_client.http(forge(http_client)) as http:
        answer = await http.request(method, path, headers=JSON, json=PING)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="codingbrain", error="invalid_token"')
    assert answer.json()["error"]["code"] == "unauthenticated"


async def test_a_token_is_verified_anew_after_it_was_revoked(http_client: Served) -> None:
    token, id_ = http_client.token()
    async with http_client.http(token) as http:
        assert (await http.post("/mcp", **modern("tools/list"))).status_code == 200
        http_client.revoke(id_)
        assert (await http.post("/mcp", **modern("tools/list"))).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_has_no_case(http_client: Served, scheme: str) -> None:
    token, _ = http_client.token()
    request = modern("tools/list")
    request["headers"]["Authorization"] = f"{scheme} {token}"
    async with http_client.http() as http:
        assert (await http.post("/mcp", **request)).status_code == 200


@MCP_PATHS
async def test_two_credentials_are_one_too_many(http_client: Served, method: str, path: str) -> None:
    token, _ = http_client.token()
    credential = ("Authorization", f"Bearer {token}")
    async with http_client.http() as http:
        answer = await http.request(method, path, headers=[*JSON.items(), credential, credential], json=PING)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages/", "/health/live", "/metrics", "/nothing"])
async def test_foreign_hosts_and_origins_are_refused_before_credentials(http_client: Served, path: str) -> None:
    async with http_client.http() as http:
        answer = await http.get(path, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (421, "misdirected_request")
        answer = await http.get(path, headers={"Origin": "https://evil.example"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("add_memories", {"text": "x"}, "memories:write"),
    ("delete_memories", {"ids": ["00000000-0000-0000-0000-000000000000"]}, "memories:delete"),
]


@pytest.mark.parametrize(("tool", "arguments", "scope"), CALLS)
@pytest.mark.parametrize("era", ["2026-07-28", "legacy", "sse"])
async def test_a_missing_scope_is_challenged_with_what_is_needed(
    http_client: Served, era: str, tool: str, arguments: dict[str, Any], scope: str
) -> None:
    token, _ = http_client.token(EVERYTHING - {Scope(scope)})
    request = modern("tools/call", tool, arguments=arguments)
    if era != "2026-07-28":
        del request["headers"]["MCP-Protocol-Version"]
    async with http_client.http(token) as http:
        answer = await http.post("/messages/?session_id=0" if era == "sse" else "/mcp", **request)
    assert answer.status_code == 403
    challenge = f'Bearer realm="codingbrain", error="insufficient_scope", scope="{scope}"'
    assert answer.headers["www-authenticate"] == challenge
    assert answer.json()["error"]["code"] == "insufficient_scope"


async def test_a_session_belongs_to_whoever_opened_it(http_client: Served) -> None:
    mine, _ = http_client.token(client="mine")
    again, _ = http_client.token(client="mine")
    other, _ = http_client.token(client="other")
    async with http_client.http() as http:

        async def ask(method: str, token: str | None, body: object = PING) -> httpx2.Response:
            credential = {"Authorization": f"Bearer {token}"} if token else {}
            return await http.request(method, "/mcp", headers=JSON | credential | session, json=body)

        session: dict[str, str] = {}
        opened = await ask("POST", mine, INITIALIZE)
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        for method in ("POST", "GET", "DELETE"):
            assert (await ask(method, other)).status_code == 404
            assert (await ask(method, None)).status_code == 401
        assert (await ask("POST", again)).status_code == 200
        assert (await ask("DELETE", mine)).status_code == 200
        assert (await ask("POST", mine)).status_code == 404
