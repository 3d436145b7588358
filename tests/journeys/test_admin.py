"""Health, metrics, and what is not there."""

import re

import pytest

from tests.journeys.served import Served, modern

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
    owner = http_client.runtime.local()
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
