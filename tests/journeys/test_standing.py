"""What callers may do follows what they are here: their org, role and memberships, and whether they were shut out."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final
from uuid import UUID

import anyio
import pytest

from codingbrain.identity.scopes import EVERYTHING
from tests.authority import Authority, authority
from tests.journeys.served import WAIT, Served, Serving, modern

pytestmark = pytest.mark.anyio

TEXT: Final = "The pager of the platform team is kept at the front desk."
TEAM: Final = "team:platform"


@pytest.fixture(scope="module")
def provider() -> Iterator[Authority]:
    with authority() as found:
        yield found


def trusting(provider: Authority, **trust: object) -> dict[str, Any]:
    """The settings of a server that takes the provider's tokens, for the org that each names."""
    by_claim = {"org": None, "org_claim": "tenant", "orgs": ["local", "acme"], "grants_claim": "groups"}
    return {"issuers": [provider.issuer(**by_claim, **trust)]}


async def call(served: Served, token: str, tool: str, **arguments: object) -> tuple[int, dict[str, Any]]:
    """The status of a call, and its result or its error."""
    async with served.http(token) as http:
        answer = await http.post("/mcp", **modern("tools/call", tool, arguments=arguments))
    said = answer.json()
    return answer.status_code, said.get("result") or said["error"]


async def found(served: Served, token: str) -> bool:
    status, result = await call(served, token, "search_memory", query="pager of the platform team")
    assert status == 200, result
    return TEXT in json.dumps(result["structuredContent"])


@pytest.mark.proves("ID-6", "MEM-3")
async def test_a_membership_counts_in_the_own_org_alone(serving: Serving, provider: Authority) -> None:
    with serving(**trusting(provider)) as served:
        served.portal.call(served.runtime.registry.create, "acme")

        def token(subject: str, org: str, *groups: object) -> str:
            return provider.token(served.origin, sub=subject, tenant=org, groups=list(groups))

        status, result = await call(served, token("ann", "acme", TEAM), "add_memories", text=TEXT, visibility=TEAM)
        assert (status, result.get("isError")) == (200, None), result
        assert await found(served, token("ben", "acme", TEAM))
        assert not await found(served, token("cid", "acme"))
        for elsewhere in (f"acme:{TEAM}", f"acme/{TEAM}", f"{TEAM}@acme", "org:acme", {"acme": TEAM}, [TEAM]):
            eve = token("eve", "local", elsewhere, TEAM)
            assert not await found(served, eve)
            dan = token("dan", "acme", elsewhere)
            assert not await found(served, dan)
            _, refused = await call(served, dan, "add_memories", text="x", visibility=TEAM)
            assert "forbidden" in json.dumps(refused)


@pytest.mark.proves("ID-6")
async def test_a_role_limits_what_a_token_carries(serving: Serving, provider: Authority) -> None:
    with serving(issuers=[provider.issuer(roles_claim="roles", new_users="owner")]) as served:
        everything = " ".join(EVERYTHING)

        def token(*roles: object) -> str:
            return provider.token(served.origin, scope=everything, roles=list(roles))

        for roles, status in ((["developer"], 200), (["reader"], 403), ([], 403), (["king", None], 403)):
            async with served.http(token(*roles)) as http:
                answer = await http.post("/mcp", **modern("tools/call", "add_memories", arguments={"text": "x"}))
            assert answer.status_code == status, roles
            if status == 403:
                assert answer.json()["error"]["code"] == "forbidden"
                assert "insufficient_scope" not in answer.headers.get("www-authenticate", "")
        status, result = await call(served, token("reader", "auditor"), "whoami")
        assert status == 200
        scopes = set(result["structuredContent"]["scopes"])
        assert {"memories:read", "audit:read"} <= scopes
        assert not {"memories:write", "admin:write"} & scopes


@pytest.mark.proves("ID-5")
async def test_an_issuers_token_is_revoked_here(serving: Serving, provider: Authority) -> None:
    with serving(issuers=[provider.issuer()]) as served:
        one, other = (provider.token(served.origin, jti=jti) for jti in ("one", "other"))
        assert [(await call(served, token, "whoami"))[0] for token in (one, other)] == [200, 200]
        served.portal.call(served.runtime.tokens.deny, provider.url, "one")
        assert [(await call(served, token, "whoami"))[0] for token in (one, other)] == [401, 200]


@pytest.mark.proves("ID-6")
async def test_a_stranger_is_refused_until_bound_to_a_user(serving: Serving, provider: Authority) -> None:
    with serving(issuers=[provider.issuer(new_users=None)]) as served:
        token, registry = provider.token(served.origin), served.runtime.registry
        status, error = await call(served, token, "whoami")
        assert (status, error["code"]) == (403, "forbidden")
        served.portal.call(registry.add, "local", "alice", "reader")
        status, _ = await call(served, token, "whoami")
        assert status == 403
        served.portal.call(registry.bind, "local", "alice", provider.url, "alice")
        status, result = await call(served, token, "whoami")
        assert (status, result["structuredContent"]["user_name"]) == (200, "alice")


@pytest.mark.proves("ID-5")
async def test_open_streams_end_with_their_callers_standing(serving: Serving) -> None:
    """Each for a reason of its own, and nobody else's with them."""
    with serving(max_sessions=12) as served:
        registry, tokens, portal = served.runtime.registry, served.runtime.tokens, served.portal
        opened: dict[str, tuple[str, UUID]] = {}

        async def issue(name: str) -> tuple[str, UUID]:
            await registry.add("local", name, "developer")
            token, issued = await tokens.issue(name, user=await registry.holder("local", name))
            return token, issued.id

        async def ended(name: str) -> None:
            token, _ = opened[name]
            async with served.http(token) as http:
                assert (await http.post("/mcp", **modern("tools/list"))).status_code == 401
            async for _ in streams[name]:
                pass

        with anyio.fail_after(WAIT):
            async with AsyncExitStack() as stack:
                streams: dict[str, AsyncIterator[str]] = {}
                for name in ("disabled", "blocked", "revoked", "dropped"):
                    opened[name] = portal.call(issue, name)
                    http = await stack.enter_async_context(served.http(opened[name][0]))
                    stream = await stack.enter_async_context(http.stream("GET", "/sse"))
                    streams[name] = stream.aiter_lines()
                    assert await anext(streams[name]) == "event: endpoint"
                portal.call(registry.disable, "local", "disabled")
                portal.call(registry.block, "local", "blocked")
                portal.call(tokens.revoke, opened["revoked"][1])
                for name in ("disabled", "blocked", "revoked"):
                    await ended(name)
                async with served.http(opened["dropped"][0]) as http:
                    assert (await http.post("/mcp", **modern("tools/list"))).status_code == 200
                portal.call(partial(tokens.rotate, drop=True))
                await ended("dropped")
