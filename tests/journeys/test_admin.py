"""Health, metrics, and what is not there."""

import re
from typing import Any

import pytest

from codingbrain.identity.scopes import EVERYTHING, Scope
from tests.journeys.served import Served, Serving, modern

pytestmark = pytest.mark.anyio


async def test_liveness_asks_nobody(http_client: Served) -> None:
    async with http_client.http() as http:
        answer = await http.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_readiness_is_told_in_words(http_client: Served) -> None:
    async with http_client.http() as http:
        answer = await http.get("/health/ready")
    told = answer.json()
    assert answer.status_code == 200
    assert told["status"] in {"ok", "degraded"}
    assert told["checks"]["record"] == "ok"
    assert set(told) == {"status", "checks", "checked_at"}
    assert all(re.fullmatch("[a-z]+", word) for word in told["checks"].values())


@pytest.mark.proves("ID-10")
async def test_strangers_learn_a_word_per_dependency_and_readers_of_statistics_more(http_client: Served) -> None:
    reader, _ = http_client.token({Scope.STATS_READ})
    other, _ = http_client.token(EVERYTHING - {Scope.STATS_READ})
    revoked, id_ = http_client.token({Scope.STATS_READ})
    http_client.revoke(id_)
    async with http_client.http() as http:

        async def ask(token: str | None) -> dict[str, Any]:
            credential = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await http.get("/health/deps", headers=credential)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"
            assert answer.json()["status"] in {"ok", "degraded"}
            return answer.json()["dependencies"]

        for token in (None, other):
            told = await ask(token)
            assert set(told) == {"record", "lexical", "vectors", "embedder"}
            assert all(set(each) == {"status"} for each in told.values())
        told = await ask(reader)
        assert told["record"]["latency_ms"] > 0
        assert all(set(each) == {"status", "latency_ms", "checked_at"} for each in told.values())
        answer = await http.get("/health/deps", headers={"Authorization": f"Bearer {revoked}"})
        assert answer.status_code == 401


@pytest.mark.proves("ID-10")
async def test_metrics_are_shown_on_this_machine_and_to_readers_of_statistics(http_client: Served) -> None:
    reader, _ = http_client.token({Scope.STATS_READ})
    other, _ = http_client.token(EVERYTHING - {Scope.STATS_READ})
    far = {"X-Forwarded-For": "192.0.2.1"}
    async with http_client.http() as http:
        assert (await http.get("/metrics")).status_code == 200
        unknown = await http.get("/metrics", headers=far)
        assert (unknown.status_code, "www-authenticate" in unknown.headers) == (401, True)
        for token, status in ((reader, 200), (other, 403)):
            credential = {"Authorization": f"Bearer {token}"}
            assert (await http.get("/metrics", headers=far | credential)).status_code == status


@pytest.mark.proves("ID-10")
@pytest.mark.parametrize("exposed", [{"behind_proxy": True}, {"public_url": "https://memory.example"}])
async def test_metrics_need_a_credential_where_a_proxy_may_stand(serving: Serving, exposed: dict[str, Any]) -> None:
    """A proxy on this machine that passes on neither the host nor where a request came from looks like its user."""
    with serving(**exposed) as served:
        async with served.http() as http:
            assert (await http.get("/metrics")).status_code == 401
        async with served.http(served.token({Scope.STATS_READ})[0]) as http:
            assert (await http.get("/metrics")).status_code == 200


@pytest.mark.parametrize(
    ("accept", "kind", "end"),
    [
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text", "# EOF\n"),
        ("text/plain", "text/plain", "\n"),
        ("*/*", "text/plain", "\n"),
    ],
)
async def test_metrics_come_in_the_format_that_is_asked_for(
    http_client: Served, accept: str, kind: str, end: str
) -> None:
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        await http.post("/mcp", **modern("tools/call", "whoami", arguments={}))
        answer = await http.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(kind)
    assert answer.text.endswith(end)
    assert 'tool_calls_total{outcome="ok",tool="whoami"}' in answer.text
    assert 'http_requests_total{method="POST",route="/mcp",status="200"}' in answer.text
    assert 'sessions_open{transport="http"}' in answer.text
    assert 'dependency_health{dependency="record"}' in answer.text
    assert "build_info{" in answer.text
    assert "process_resident_memory_bytes" in answer.text


async def test_metrics_name_no_org_and_no_user(http_client: Served) -> None:
    async with http_client.http() as http:
        text = (await http.get("/metrics")).text
    owner = http_client.runtime.owner
    assert str(owner.org) not in text
    assert str(owner.user) not in text
    assert not re.search(r'[{,](org|user|client|principal)="', text)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/admin/nothing", 404),
        ("GET", "/mcp/../etc/passwd", 404),
        ("GET", "/health", 404),
        ("POST", "/health/live", 405),
        ("DELETE", "/metrics", 405),
    ],
)
async def test_what_is_not_there_is_said_in_one_way(http_client: Served, method: str, path: str, status: int) -> None:
    async with http_client.http() as http:
        answer = await http.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "request_id"}
    assert ("allow" in answer.headers) == (status == 405)
