"""Who gets in: credentials, hosts, origins, scopes, and sessions that belong to somebody."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from codingbrain.identity.scopes import EVERYTHING, Scope
from tests.journeys.served import JSON, Served, Serving, modern
from tests.proof import Dpop, Prover

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


def challenges(answer: httpx2.Response) -> dict[str, dict[str, str]]:
    """The parameters of each challenge, by scheme, in the order of the header fields."""
    fields = (value.partition(" ") for value in answer.headers.get_list("www-authenticate"))
    return {scheme: dict(re.findall(r'([a-z_]+)="([^"]*)"', rest)) for scheme, _, rest in fields}


def metadata(served: Served) -> str:
    return f"{served.origin}/.well-known/oauth-protected-resource"


@pytest.mark.proves("ID-10")
@MCP_PATHS
async def test_no_credential_is_challenged_without_an_error(http_client: Served, method: str, path: str) -> None:
    async with http_client.http() as http:
        for headers in ({}, {"Authorization": "Basic dXNlcjpwYXNz"}, {"Authorization": "Bearer"}):
            answer = await http.request(method, path, headers=JSON | headers, json=PING)
            assert answer.status_code == 401
            assert list(challenges(answer)) == ["DPoP", "Bearer"]
            for told in challenges(answer).values():
                assert "error" not in told
                assert told["scope"] == "memories:read memories:write"
                assert told["resource_metadata"] == metadata(http_client)
            assert "ES256" in challenges(answer)["DPoP"]["algs"].split()
            assert answer.json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize("forge", [garbage, misshapen, revoked, expired, tampered])
@MCP_PATHS
async def test_a_token_that_is_not_good_is_refused(http_client: Served, method: str, path: str, forge: Forge) -> None:
    async with http_client.http(forge(http_client)) as http:
        answer = await http.request(method, path, headers=JSON, json=PING)
    assert answer.status_code == 401
    assert challenges(answer)["Bearer"]["error"] == "invalid_token"
    assert answer.json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize("query", ["access_token", "token", "authorization"])
async def test_a_credential_in_the_url_or_in_the_body_is_none(http_client: Served, query: str) -> None:
    token, _ = http_client.token()
    async with http_client.http() as http:
        answer = await http.post(f"/mcp?{query}={token}", headers=JSON, json={**PING, "access_token": token})
    assert answer.status_code == 401
    assert token not in answer.text


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


@pytest.mark.proves("ID-4")
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
    for told in challenges(answer).values():
        assert told["error"] == "insufficient_scope"
        assert told["scope"] == scope
        assert told["resource_metadata"] == metadata(http_client)
    assert answer.json()["error"]["code"] == "insufficient_scope"


async def member(served: Served, org: str, name: str, client: str = "mine") -> str:
    """A token of a user who is there for one test."""
    holder = await served.runtime.registry.holder(org, name)
    return (await served.runtime.tokens.issue(client, EVERYTHING, None, user=holder))[0]


async def joined(served: Served, org: str, role: str) -> tuple[str, str]:
    """A new user of an org, and their token."""
    name = f"user-{uuid4()}"
    await served.runtime.registry.add(org, name, role)
    return name, await member(served, org, name)


async def founded(served: Served) -> str:
    org = f"org-{uuid4()}"
    await served.runtime.registry.create(org)
    return org


@pytest.mark.proves("ID-4")
@pytest.mark.parametrize("path", ["/mcp", "/messages/?session_id=0"])
async def test_what_a_role_denies_is_not_asked_for_again(http_client: Served, path: str) -> None:
    org = http_client.portal.call(founded, http_client)
    http_client.portal.call(joined, http_client, org, "owner")
    name, token = http_client.portal.call(joined, http_client, org, "owner")
    http_client.portal.call(http_client.runtime.registry.role, org, name, "reader")
    async with http_client.http(token) as http:
        answer = await http.post(path, **modern("tools/call", "add_memories", arguments={"text": "x"}))
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"
    assert "www-authenticate" not in answer.headers


@pytest.mark.proves("ID-5")
@pytest.mark.parametrize("transport", ["streamable", "sse"])
async def test_a_session_belongs_to_whoever_opened_it(http_client: Served, transport: str) -> None:
    """Another client, user or org does not find it; a new token of the same does; a client's name imitates nobody."""
    run = http_client.portal.call
    org, elsewhere = run(founded, http_client), run(founded, http_client)
    name, mine = run(joined, http_client, org, "owner")
    again = run(member, http_client, org, name)
    others = [
        run(member, http_client, org, name, "other"),
        run(member, http_client, org, name, "|mine"),
        run(joined, http_client, org, "owner")[1],
        run(joined, http_client, elsewhere, "owner")[1],
    ]
    await (owned_session if transport == "streamable" else owned_stream)(http_client, mine, again, others)


async def owned_session(served: Served, mine: str, again: str, others: list[str]) -> None:
    async with served.http() as http:

        async def ask(method: str, token: str | None, body: object = PING) -> httpx2.Response:
            credential = {"Authorization": f"Bearer {token}"} if token else {}
            return await http.request(method, "/mcp", headers=JSON | credential | session, json=body)

        session: dict[str, str] = {}
        opened = await ask("POST", mine, INITIALIZE)
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        for method in ("POST", "GET", "DELETE"):
            for other in others:
                assert (await ask(method, other)).status_code == 404
            assert (await ask(method, None)).status_code == 401
        assert (await ask("POST", again)).status_code == 200
        assert (await ask("DELETE", mine)).status_code == 200
        assert (await ask("POST", mine)).status_code == 404


async def owned_stream(served: Served, mine: str, again: str, others: list[str]) -> None:
    async with served.http(mine) as http, http.stream("GET", "/sse") as stream, served.http() as poster:
        lines = stream.aiter_lines()
        where = await anext(line async for line in lines if line.startswith("data: "))

        async def post(token: str) -> int:
            headers = JSON | {"Authorization": f"Bearer {token}"}
            return (await poster.post(where.removeprefix("data: "), json=INITIALIZE, headers=headers)).status_code

        for other in others:
            assert await post(other) == 404
        assert await post(again) == 202


@pytest.mark.proves("ID-5")
async def test_a_user_has_so_many_sessions_and_streams(serving: Serving) -> None:
    with serving(max_user_sessions=2, max_user_streams=1) as served:
        token, _ = served.token()
        org = served.portal.call(founded, served)
        _, other = served.portal.call(joined, served, org, "owner")
        async with served.http(token) as http, served.http(other) as stranger:
            for _ in range(2):
                assert (await http.post("/mcp", json=INITIALIZE, headers=JSON)).status_code == 200
            crowded = await http.post("/mcp", json=INITIALIZE, headers=JSON)
            assert (crowded.status_code, crowded.json()["error"]["code"]) == (429, "overloaded")
            assert crowded.headers["retry-after"]
            assert (await stranger.post("/mcp", json=INITIALIZE, headers=JSON)).status_code == 200
            async with http.stream("GET", "/sse") as stream:
                assert stream.status_code == 200
                refused = await http.get("/sse")
                assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
                async with stranger.stream("GET", "/sse") as their:
                    assert their.status_code == 200


@pytest.mark.proves("ID-5")
async def test_a_session_is_bound_to_the_key_of_its_token(http_client: Served) -> None:
    """The same user and client with another key, or with none, does not find it."""
    first, second = Prover(), Prover()

    async def issued(prover: Prover | None) -> str:
        issue = http_client.runtime.tokens.issue
        return (await issue("keys", EVERYTHING, None, jkt=prover.jkt if prover else None))[0]

    mine, renewed, other_key, no_key = (http_client.portal.call(issued, each) for each in (first, first, second, None))
    async with http_client.http() as http:
        opened = await http.post("/mcp", json=INITIALIZE, headers=JSON, auth=Dpop(first, mine))
        assert opened.status_code == 200, opened.text
        assert opened.headers["dpop-nonce"]
        session = JSON | {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        bearer = session | {"Authorization": f"Bearer {no_key}"}
        assert (await http.post("/mcp", json=PING, headers=session, auth=Dpop(second, other_key))).status_code == 404
        assert (await http.post("/mcp", json=PING, headers=bearer)).status_code == 404
        assert (await http.post("/mcp", json=PING, headers=session, auth=Dpop(first, renewed))).status_code == 200
        assert (await http.delete("/mcp", headers=session, auth=Dpop(first, mine))).status_code == 200


async def test_a_bound_token_without_a_proof_is_refused(http_client: Served) -> None:
    prover = Prover()
    token, _ = http_client.portal.call(partial(http_client.runtime.tokens.issue, jkt=prover.jkt), "x", EVERYTHING, None)
    async with http_client.http() as http:
        for scheme in ("Bearer", "DPoP"):
            answer = await http.post("/mcp", json=PING, headers=JSON | {"Authorization": f"{scheme} {token}"})
            assert answer.status_code == 401
        assert challenges(answer)["DPoP"]["error"] == "invalid_dpop_proof"
        assert "error" not in challenges(answer)["Bearer"]
        assert answer.headers["dpop-nonce"]
