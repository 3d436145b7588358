"""Tokens that are bound to a key, over real sockets: they work with a proof of each request, and not without."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from codingbrain.access.dpop import ALGORITHMS
from tests.authority import made
from tests.journeys.served import JSON, WAIT, Era, Served, Serving, Transport, modern
from tests.proof import Dpop, Prover, hashed

pytestmark = pytest.mark.anyio

EVERY_WAY = pytest.mark.parametrize(
    ("transport", "era"), [("http", "auto"), ("http", "legacy"), ("sse", "auto"), ("sse", "legacy")]
)
PATHS = pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/mcp"),
        ("GET", "/mcp"),
        ("DELETE", "/mcp"),
        ("GET", "/sse"),
        ("POST", "/messages/?session_id=00000000000000000000000000000000"),
        ("GET", "/admin/limits"),
    ],
)
PUBLIC: Final = "https://memory.example"
PING: Final = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


class Holder:
    """A client with a key, a token bound to it, and no SDK in between."""

    def __init__(self, served: Served, algorithm: str = "ES256", origin: str | None = None) -> None:
        self.prover = Prover(made(algorithm), algorithm)
        self.origin = origin or served.origin
        self.token, self.id = served.token(jkt=self.prover.jkt)
        self.auth = Dpop(self.prover, self.token)

    def proof(self, method: str, path: str, nonce: str | None, **changes: Any) -> str:  # noqa: ANN401 - of any type
        return self.prover.proof(method, f"{self.origin}{path.partition('?')[0]}", self.token, nonce, **changes)

    def shown(self, proof: str | None, scheme: str = "DPoP") -> dict[str, str]:
        return {"Authorization": f"{scheme} {self.token}", **JSON, **({} if proof is None else {"DPoP": proof})}

    async def nonce(self, http: httpx2.AsyncClient) -> str:
        """As a client gets it: by asking without one."""
        answer = await http.get("/mcp", headers=self.shown(self.proof("GET", "/mcp", None)))
        assert answer.status_code == 401
        assert 'error="use_dpop_nonce"' in answer.headers["www-authenticate"]
        return answer.headers["dpop-nonce"]


@asynccontextmanager
async def connected(served: Served, transport: Transport, era: Era, auth: httpx2.Auth) -> AsyncGenerator[Client]:
    """The SDK's client; every request that it sends is signed."""
    async with httpx2.AsyncClient(timeout=WAIT, auth=auth) as http:
        match transport:
            case "http":
                path = streamable_http_client(f"{served.origin}/mcp", http_client=http)
            case "sse":
                path = sse_client(f"{served.origin}/sse", auth=auth)
        with anyio.fail_after(WAIT):
            async with Client(path, mode=era, read_timeout_seconds=WAIT) as client:
                yield client


def refused(answer: httpx2.Response, code: str) -> None:
    """401, with a challenge that says why, and for whoever tries to prove something a nonce for the next proof."""
    assert answer.status_code == 401, answer.text
    challenges = answer.headers.get_list("www-authenticate")
    (dpop,) = [each for each in challenges if each.startswith("DPoP ")]
    assert f'error="{code}"' in dpop
    assert f'algs="{" ".join(ALGORITHMS)}"' in dpop
    proves = "dpop" in answer.request.headers or answer.request.headers["authorization"].startswith("DPoP ")
    assert bool(answer.headers.get("dpop-nonce")) is proves
    assert answer.headers["cache-control"] == "no-store"


# --- what works ---


@pytest.mark.proves("ID-3")
@EVERY_WAY
async def test_a_client_with_the_key_works(http_client: Served, transport: Transport, era: Era) -> None:
    holder = Holder(http_client)
    async with connected(http_client, transport, era, holder.auth) as client:
        assert client.protocol_version == ("2026-07-28" if era == "auto" else "2025-11-25")
        for _ in range(3):
            who = await client.call_tool("whoami", {})
            assert not who.is_error, who
    assert holder.auth.retries == 1, "the first request had no nonce, the others had the newest"


@pytest.mark.proves("ID-3")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_every_offered_algorithm_works(http_client: Served, algorithm: str) -> None:
    holder = Holder(http_client, algorithm)
    async with http_client.http() as http:
        answer = await http.post("/mcp", auth=holder.auth, **modern("tools/call", "whoami", arguments={}))
    assert answer.status_code == 200, answer.text
    assert answer.headers["dpop-nonce"] == holder.auth.nonces[http_client.origin]


@pytest.mark.proves("ID-3")
async def test_an_administrator_with_the_key_works(http_client: Served) -> None:
    holder = Holder(http_client)
    async with http_client.http() as http:
        assert (await http.get("/admin/limits", auth=holder.auth)).status_code == 200


# --- what does not ---


@pytest.mark.proves("ID-3")
@PATHS
async def test_without_a_good_proof_nobody_gets_in(http_client: Served, method: str, path: str) -> None:
    holder, stranger = Holder(http_client), Holder(http_client)
    other = "GET" if method != "GET" else "POST"
    async with http_client.http() as http:
        nonce = await holder.nonce(http)
        good = holder.proof(method, path, nonce)
        cases = {
            "as a bearer token": (holder.shown(None, "Bearer"), "invalid_token"),
            "as a bearer token, with a proof": (holder.shown(good, "Bearer"), "invalid_token"),
            "without a proof": (holder.shown(None), "invalid_dpop_proof"),
            "of another key": (
                holder.shown(stranger.proof(method, path, nonce, ath=hashed(holder.token))),
                "invalid_token",
            ),
            "of another method": (holder.shown(holder.proof(other, path, nonce)), "invalid_dpop_proof"),
            "of another path": (holder.shown(holder.proof(method, "/elsewhere", nonce)), "invalid_dpop_proof"),
            "of another token": (
                holder.shown(holder.proof(method, path, nonce, ath=hashed(stranger.token))),
                "invalid_dpop_proof",
            ),
            "of an hour ago": (holder.shown(holder.proof(method, path, nonce, iat=1)), "invalid_dpop_proof"),
            "without a nonce": (holder.shown(holder.proof(method, path, None)), "use_dpop_nonce"),
            "with a made up nonce": (holder.shown(holder.proof(method, path, "made-up")), "use_dpop_nonce"),
            "two, joined": (holder.shown(f"{good}, {good}"), "invalid_dpop_proof"),
            "another's token": (stranger.shown(good), "invalid_token"),
        }
        for name, (headers, code) in cases.items():
            answer = await http.request(method, path, headers=headers, json=PING)
            assert answer.status_code == 401, name
            refused(answer, code)


@pytest.mark.proves("ID-3")
@PATHS
async def test_a_proof_is_good_once(http_client: Served, method: str, path: str) -> None:
    holder = Holder(http_client)
    async with http_client.http() as http:
        headers = holder.shown(holder.proof(method, path, await holder.nonce(http)))
        async with http.stream(method, path, headers=headers, json=PING) as first:
            assert first.status_code != 401
        refused(await http.request(method, path, headers=headers, json=PING), "invalid_dpop_proof")


@pytest.mark.proves("ID-3")
async def test_of_the_same_proof_sent_at_once_one_gets_in(http_client: Served) -> None:
    holder, statuses = Holder(http_client), list[int]()
    async with http_client.http() as http:
        headers = holder.shown(holder.proof("GET", "/admin/limits", await holder.nonce(http)))

        async def send() -> None:
            statuses.append((await http.get("/admin/limits", headers=headers)).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(send)
    assert sorted(statuses) == [200, *[401] * 7]


@pytest.mark.proves("ID-3")
async def test_two_headers_are_refused(http_client: Served) -> None:
    holder = Holder(http_client)
    async with http_client.http() as http:
        nonce = await holder.nonce(http)
        proofs = [("DPoP", holder.proof("GET", "/admin/limits", nonce)) for _ in range(2)]
        headers = [("Authorization", f"DPoP {holder.token}"), *proofs]
        refused(await http.get("/admin/limits", headers=headers), "invalid_dpop_proof")
        assert (await http.get("/admin/limits", headers=headers[:2])).status_code == 200


@pytest.mark.proves("ID-3")
async def test_a_token_without_a_key_is_no_dpop_token(http_client: Served) -> None:
    """Otherwise whoever stole it could bind it to a key of their own."""
    holder = Holder(http_client)
    holder.token, _ = http_client.token()
    async with http_client.http() as http:
        nonce = await Holder(http_client).nonce(http)
        answer = await http.get("/admin/limits", headers=holder.shown(holder.proof("GET", "/admin/limits", nonce)))
        refused(answer, "invalid_token")
        assert (await http.get("/admin/limits", headers=holder.shown(None, "Bearer"))).status_code == 200


# --- one server and the next ---


@pytest.mark.proves("ID-3")
async def test_no_proof_outlives_the_server_and_the_address_is_the_configured_one(serving: Serving) -> None:
    """The Host header says something else all the while, as behind a proxy that sets it."""
    with serving(public_url=PUBLIC) as first:
        holder = Holder(first, origin=PUBLIC)
        async with first.http() as http:
            nonce = await holder.nonce(http)
            unused, used = (holder.proof("GET", "/admin/limits", nonce) for _ in range(2))
            assert (await http.get("/admin/limits", headers=holder.shown(used))).status_code == 200
            local = holder.prover.proof("GET", f"{first.origin}/admin/limits", holder.token, nonce)
            refused(await http.get("/admin/limits", headers=holder.shown(local)), "invalid_dpop_proof")
    with serving(public_url=PUBLIC) as second:
        async with second.http() as http:
            for proof in (used, unused):
                answer = await http.get("/admin/limits", headers=holder.shown(proof))
                refused(answer, "use_dpop_nonce")
            again = holder.proof("GET", "/admin/limits", answer.headers["dpop-nonce"])
            assert (await http.get("/admin/limits", headers=holder.shown(again))).status_code == 200


@pytest.mark.proves("ID-3")
async def test_the_policy_off(serving: Serving) -> None:
    """A token that is bound to a key cannot be used at all then: nobody could see whether its bearer has the key."""
    with serving(dpop="off") as served:
        holder, (plain, _) = Holder(served), served.token()
        async with served.http() as http:
            for headers in (holder.shown(holder.proof("GET", "/admin/limits", "x")), holder.shown(None, "Bearer")):
                answer = await http.get("/admin/limits", headers=headers)
                assert answer.status_code == 401
                assert "DPoP" not in answer.headers["www-authenticate"]
                assert "dpop-nonce" not in answer.headers
            bearer = {"Authorization": f"Bearer {plain}"}
            assert (await http.get("/admin/limits", headers=bearer)).status_code == 200


@pytest.mark.proves("ID-3")
async def test_the_policy_required(serving: Serving) -> None:
    with serving(dpop="required") as served:
        holder, (plain, _) = Holder(served), served.token()
        async with served.http() as http:
            for scheme in ("Bearer", "DPoP"):
                answer = await http.get("/admin/limits", headers={"Authorization": f"{scheme} {plain}"})
                refused(answer, "invalid_token")
                assert not [each for each in answer.headers.get_list("www-authenticate") if each.startswith("Bearer")]
            assert (await http.get("/admin/limits", auth=holder.auth)).status_code == 200
            described = (await http.get("/.well-known/oauth-protected-resource")).json()
        assert described["dpop_bound_access_tokens_required"] is True
        assert described["dpop_signing_alg_values_supported"] == list(ALGORITHMS)
