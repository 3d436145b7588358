"""Tokens of identity providers: who gets in, and what happens when a provider fails, changes its keys, or lies."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

import anyio
import httpx2
import pytest
from starlette.responses import Response

from tests.authority import OMIT, Authority, authority, made, published
from tests.journeys.served import Served, Serving, modern

pytestmark = pytest.mark.anyio

CODES: Final = {200: None, 401: "unauthenticated", 503: "unavailable"}


@pytest.fixture
def issuer() -> Iterator[Authority]:
    with authority() as provider:
        yield provider


@pytest.fixture
def other() -> Iterator[Authority]:
    with authority() as provider:
        yield provider


async def ask(served: Served, token: str) -> httpx2.Response:
    """Call a tool with this token."""
    async with served.http(token) as http:
        return await http.post("/mcp", **modern("tools/call", "list_memories", arguments={}))


async def answer(served: Served, token: str) -> int:
    """The status of such a call; a refusal must look as all of its kind do."""
    response = await ask(served, token)
    if (code := CODES[response.status_code]) is not None:
        assert response.json()["error"]["code"] == code
    if response.status_code == 401:
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
    if response.status_code == 503:
        assert int(response.headers["retry-after"]) > 0
        assert "www-authenticate" not in response.headers
    return response.status_code


@pytest.mark.proves("ID-2")
async def test_people_of_several_providers_get_in_each_in_their_own_name(
    serving: Serving, issuer: Authority, other: Authority
) -> None:
    with serving(issuers=[issuer.issuer(), other.issuer(algorithms=["ES256"])]) as served:
        for provider, alg in ((issuer, "ES256"), (issuer, "Ed25519"), (issuer, "RS256"), (other, "ES256")):
            token = provider.token(served.origin, header={"alg": alg})
            async with served.mcp("http", "auto", token) as client:
                assert not (await client.call_tool("add_memories", {"text": f"{provider.url} {alg}"})).is_error
        async with served.mcp("http", "auto", issuer.token(served.origin)) as client:
            seen = str((await client.call_tool("list_memories", {})).structured_content)
        assert issuer.url in seen
        assert other.url not in seen
        assert await answer(served, other.token(served.origin, header={"alg": "EdDSA"})) == 401
        assert await answer(served, issuer.token(served.origin, key=other.keys["ES256"])) == 401
        assert await answer(served, issuer.token(served.origin, iss=other.url)) == 401


FORGED: Final[dict[str, dict[str, Any]]] = {
    "not signed": {"header": {"alg": "none"}},
    "signed with a key of nobody": {"key": made("ES256")},
    "signed with a key of nobody that is not named": {"key": made("ES256"), "header": {"kid": OMIT}},
    "signed with the public key as secret": {"header": {"alg": "HS256"}, "key": b"public"},
    "for another server": {"aud": "https://other.example"},
    "of nobody who is trusted": {"iss": "https://evil.example"},
    "an ID token": {"header": {"typ": "JWT"}},
    "without an expiry": {"exp": OMIT},
    "bound to a certificate": {"cnf": {"x5t#S256": "A" * 43}},
}


@pytest.mark.proves("ID-2")
async def test_a_forged_token_opens_no_door(serving: Serving, issuer: Authority) -> None:
    doors = [("POST", "/mcp"), ("GET", "/sse"), ("POST", "/messages/?session_id=0")]
    with serving(issuers=[issuer.issuer()]) as served:
        assert await answer(served, issuer.token(served.origin)) == 200
        for how, changes in FORGED.items():
            async with served.http(issuer.token(served.origin, **changes)) as http:
                for method, door in doors:
                    response = await http.request(method, door, **modern("tools/list"))
                    assert (how, door, response.status_code) == (how, door, 401)
                    assert response.json()["error"]["code"] == "unauthenticated"
                    assert 'error="invalid_token"' in response.headers["www-authenticate"]


@pytest.mark.proves("ID-2")
async def test_clocks_may_differ_by_the_leeway_and_no_more(serving: Serving, issuer: Authority) -> None:
    at = int(time.time())
    skewed: list[tuple[dict[str, Any], int]] = [
        ({"iat": at + 20}, 200),
        ({"iat": at + 90}, 401),
        ({"nbf": at + 20}, 200),
        ({"nbf": at + 90}, 401),
        ({"iat": at - 300, "exp": at - 20}, 200),
        ({"iat": at - 300, "exp": at - 61}, 401),
    ]
    with serving(issuers=[issuer.issuer()], token_leeway_seconds=60) as served:
        for claims, status in skewed:
            assert (claims, await answer(served, issuer.token(served.origin, **claims))) == (claims, status)


FAILURES: Final[dict[str, Callable[[Authority], None]]] = {
    "down": Authority.down,
    "oversized": Authority.oversized,
    "redirecting": lambda issuer: issuer.redirecting(f"{issuer.jwks_url}?again"),
    "talking nonsense": lambda issuer: setattr(issuer, "answer", lambda: Response(b"<html>")),
}


@pytest.mark.proves("ID-2")
async def test_while_a_provider_fails_its_people_wait_outside(serving: Serving) -> None:
    with ExitStack() as stack:
        failing = {how: stack.enter_context(authority()) for how in FAILURES}
        served = stack.enter_context(serving(issuers=[issuer.issuer() for issuer in failing.values()]))
        for how, issuer in failing.items():
            FAILURES[how](issuer)
            # Nobody knows the keys: fail closed, and ask once for all who want in now.
            for _ in range(3):
                assert (how, await answer(served, issuer.token(served.origin))) == (how, 503)
            assert issuer.fetches == 1
            # Whoever needs no provider is not concerned.
            assert await answer(served, served.token()[0]) == 200
            assert await answer(served, issuer.token(served.origin, header={"typ": "JWT"})) == 401


@pytest.mark.proves("ID-2")
async def test_known_keys_outlive_a_failure_and_unknown_ones_wait_for_its_end(
    serving: Serving, issuer: Authority
) -> None:
    with serving(issuers=[issuer.issuer()]) as served:
        before = issuer.token(served.origin)
        assert await answer(served, before) == 200
        issuer.down()
        issuer.rotate()
        assert await answer(served, before) == 200
        assert await answer(served, issuer.token(served.origin)) == 503


@pytest.mark.proves("ID-2")
async def test_a_slow_provider_holds_up_its_own_people_only(serving: Serving, issuer: Authority) -> None:
    statuses: list[int] = []

    async def enter(token: str) -> None:
        statuses.append(await answer(served, token))

    with serving(issuers=[issuer.issuer()]) as served:
        async with anyio.create_task_group() as waiting:
            with issuer.stalled():
                for _ in range(5):
                    waiting.start_soon(enter, issuer.token(served.origin))
                assert await answer(served, served.token()[0]) == 200
                assert statuses == []
        assert statuses == [200] * 5
        assert issuer.fetches == 1


@pytest.mark.proves("ID-2")
async def test_a_new_key_counts_at_once_and_the_former_ends_with_it(serving: Serving, issuer: Authority) -> None:
    with serving(issuers=[issuer.issuer()]) as served:
        former = issuer.token(served.origin)
        assert await answer(served, former) == 200
        issuer.rotate()
        assert await answer(served, former) == 200
        assert await answer(served, issuer.token(served.origin)) == 200
        # The keys were fetched again for the new one, and the former is not among them any more.
        assert await answer(served, former) == 401
        assert issuer.fetches == 2


@pytest.mark.proves("ID-2")
async def test_a_provider_that_publishes_two_keys_changes_them_without_anybody_noticing(
    serving: Serving, issuer: Authority
) -> None:
    with serving(issuers=[issuer.issuer()]) as served:
        former = issuer.token(served.origin)
        assert await answer(served, former) == 200
        old = issuer.rotate()
        issuer.jwks = [published(old), published(issuer.keys["ES256"])]
        assert await answer(served, issuer.token(served.origin)) == 200
        assert await answer(served, former) == 200


@pytest.mark.proves("ID-2")
async def test_made_up_keys_do_not_make_the_server_hammer_the_provider(serving: Serving, issuer: Authority) -> None:
    with serving(issuers=[issuer.issuer()]) as served:
        assert await answer(served, issuer.token(served.origin)) == 200
        for _ in range(20):
            assert await answer(served, issuer.token(served.origin, key=made("ES256"))) == 401
        assert issuer.fetches == 2


@pytest.mark.proves("ID-2")
async def test_the_keys_of_the_install_are_rotated_and_dropped(serving: Serving) -> None:
    with serving() as served:
        former, _ = served.token()
        served.runtime.keyring.rotate()
        assert await answer(served, former) == 200
        assert await answer(served, served.token()[0]) == 200
        served.runtime.keyring.rotate(drop=True)
        assert await answer(served, former) == 401
        assert await answer(served, served.token()[0]) == 200
