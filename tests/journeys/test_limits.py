"""Rate limits as callers and administrators meet them; the limits are tiny, so that nobody has to wait."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import anyio
import httpx2
import pytest
from prometheus_client import CollectorRegistry

from codingbrain.identity.scopes import EVERYDAY, EVERYTHING, Scope
from codingbrain.limits.windows import SLOTS
from tests.journeys.program import Program
from tests.journeys.served import Era, Served, Serving, Transport, modern

pytestmark = pytest.mark.anyio

DAY = 86_400
DOORS: tuple[tuple[Transport, Era], ...] = (("http", "auto"), ("http", "legacy"), ("sse", "auto"), ("sse", "legacy"))
WIDE = {"burst": "50/second", "sustained": "500/minute"}


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of an org that is there for one test."""

    served: Served
    org: str
    token: str
    subject: str

    def http(self, token: str | None = None) -> httpx2.AsyncClient:
        return self.served.http(token or self.token)

    def colleague(self) -> str:
        """The token of another user of the org."""
        return self.served.portal.call(_newcomer, self.served, self.org)[0]


def founded(served: Served) -> Owner:
    """A new org and its owner."""
    org = f"org-{uuid4()}"
    served.portal.call(served.runtime.registry.create, org)
    return Owner(served, org, *served.portal.call(_newcomer, served, org))


async def _newcomer(served: Served, org: str, scopes: frozenset[Scope] = EVERYTHING) -> tuple[str, str]:
    name = f"user-{uuid4()}"
    await served.runtime.registry.add(org, name, "owner")
    holder = await served.runtime.registry.holder(org, name)
    text, _ = await served.runtime.tokens.issue("test", scopes, None, user=holder)
    return text, f"user:{holder.user}"


async def call(http: httpx2.AsyncClient, tool: str = "whoami") -> httpx2.Response:
    return await http.post("/mcp", **modern("tools/call", tool, arguments={}))


async def used_up(http: httpx2.AsyncClient) -> httpx2.Response:
    """Call until refused."""
    for _ in range(50):
        if (answer := await call(http)).status_code == 429:
            return answer
        assert answer.status_code == 200
    raise AssertionError


async def put(http: httpx2.AsyncClient, subject: str, pair: object) -> httpx2.Response:
    return await http.put(f"/admin/limits/{quote(subject, safe='')}", json=pair)


async def hold(http: httpx2.AsyncClient, subject: str, units: int) -> None:
    """Allow no more than so many units a day."""
    done = await put(http, subject, {"burst": f"{units}/hour", "sustained": f"{units}/day"})
    assert done.status_code == 200


async def used(http: httpx2.AsyncClient, subject: str) -> int:
    """What was used of its sustained window."""
    uses = (await http.get("/admin/limits")).json()["use"]
    return next(use["sustained"]["used"] for use in uses if use["subject"] == subject)


def left(answer: httpx2.Response) -> int:
    return int(answer.headers["x-ratelimit-remaining"])


@pytest.mark.proves("LIM-1")
async def test_every_answer_says_what_is_left_and_a_refusal_when_to_come_back(http_client: Served) -> None:
    owner = founded(http_client)
    async with owner.http() as http:
        await hold(http, owner.subject, 6)
        first, second = await call(http), await call(http)
        refused = await used_up(http)
    cost = left(first) - left(second)
    assert cost >= 1
    assert (second.headers["x-ratelimit-limit"], left(second)) == ("6", 6 - 2 * cost)
    policy, window = second.headers["ratelimit-policy"].split(";q=6;w=")
    assert (policy, window) in {('"user-burst"', "3600"), ('"user-sustained"', str(DAY))}
    assert re.fullmatch(rf"{policy};r={6 - 2 * cost};t=\d+", second.headers["ratelimit"])
    assert left(refused) == 0
    wait = int(refused.headers["retry-after"])
    assert DAY - 60 < wait <= DAY * (1 + 1 / SLOTS)
    assert wait == int(refused.headers["x-ratelimit-reset"])
    assert refused.headers["ratelimit"] == f'"user-sustained";r=0;t={wait}'
    assert refused.headers.get_list("retry-after") == [str(wait)]
    error = refused.json()["error"]
    assert (error["code"], set(error)) == ("rate_limited", {"code", "message", "request_id"})
    assert f"user-sustained allows 6 cost units in {DAY} s" in error["message"]


@pytest.mark.proves("LIM-1")
async def test_messages_of_every_transport_and_era_are_charged_once(http_client: Served) -> None:
    owner = founded(http_client)
    async with owner.http() as http:
        await hold(http, owner.subject, 60)
        cost = 60 - left(await call(http))
        for transport, era in DOORS:
            before = await used(http, "tool:whoami")
            async with http_client.mcp(transport, era, owner.token) as client:
                await client.call_tool("whoami", {})
            assert await used(http, "tool:whoami") == before + cost
        await used_up(http)
        for method, path in (("GET", "/sse"), ("GET", "/mcp"), ("POST", "/messages/"), ("POST", "/mcp")):
            asks: dict[str, Any] = modern("ping") if method == "POST" else {"headers": {"Accept": "text/event-stream"}}
            assert (await http.request(method, path, **asks)).status_code == 429


@pytest.mark.proves("LIM-1")
async def test_a_hundred_calls_at_once_get_no_more_than_there_is(http_client: Served) -> None:
    owner = founded(http_client)
    async with owner.http() as http:
        await hold(http, owner.subject, 30)
        cost = 30 - left(await call(http))
        statuses: list[int] = []

        async def one() -> None:
            statuses.append((await call(http)).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(one)
    assert statuses.count(200) == 30 // cost - 1
    assert statuses.count(429) == 100 - statuses.count(200)


@pytest.mark.proves("LIM-1")
async def test_over_stdio_a_refusal_is_a_failure_that_the_model_can_read(command: Program) -> None:
    limits = {"rate_user_burst": "4/hour", "rate_user": "4/day", "embedder_url": "none:"}
    async with Program(command.data, {**command.settings, **limits}).client() as client:
        results = [await client.call_tool("whoami", {}) for _ in range(5)]
    assert not results[0].is_error
    assert results[-1].is_error
    told = results[-1].structured_content or {}
    assert (told["code"], told["retryable"]) == ("rate_limited", True)
    assert told["details"]["policy"] == "user-sustained"
    assert DAY - 60 < told["details"]["retry_after"] <= DAY * (1 + 1 / SLOTS)


@pytest.mark.proves("LIM-1")
async def test_health_is_exempt_and_identity_is_the_credential_alone(http_client: Served) -> None:
    owner = founded(http_client)
    async with owner.http() as http, owner.http(owner.colleague()) as colleague:
        await hold(http, owner.subject, 4)
        await used_up(http)
        for path in ("/health/live", "/health/ready", "/health/deps"):
            answer = await http.get(path)
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-User-Id", "User-Agent"):
            asks = modern("tools/call", "whoami", arguments={})
            asks["headers"][name] = "for=203.0.113.7"
            assert (await http.post("/mcp", **asks)).status_code == 429
        assert (await call(colleague)).status_code == 200


@pytest.mark.proves("LIM-1")
async def test_one_orgs_flood_stops_no_other_and_shows_nothing_of_it(http_client: Served) -> None:
    owner, stranger = founded(http_client), founded(http_client)
    async with owner.http() as http, owner.http(owner.colleague()) as colleague, stranger.http() as other:
        await hold(http, "org", 4)
        await used_up(http)
        assert (await call(colleague)).status_code == 429
        assert (await call(other)).status_code == 200
        shown = (await other.get("/admin/limits")).json()
        assert shown["overrides"] == []
        assert {use["subject"] for use in shown["use"]} == {"org", stranger.subject, "tool:whoami"}
        unknown = await put(other, f"user:{uuid4()}", WIDE)
        guessed = await put(other, owner.subject, WIDE)
        assert guessed.status_code == 404
        assert guessed.json()["error"]["message"] == unknown.json()["error"]["message"]


@pytest.mark.proves("LIM-1")
async def test_refusals_are_counted_without_names(http_client: Served) -> None:
    owner, registry = founded(http_client), http_client.runtime.metrics.registry
    before = counted(registry)
    async with owner.http() as http:
        await hold(http, owner.subject, 4)
        await used_up(http)
    async with http_client.http() as http:
        text = (await http.get("/metrics")).text
    assert counted(registry) == before + 1
    assert re.search(r'^rate_limited_total\{policy="user-sustained"\} \d', text, re.MULTILINE)


def counted(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("rate_limited_total", {"policy": "user-sustained"}) or 0.0


@pytest.mark.proves("LIM-1")
async def test_what_is_refused_for_its_scope_is_counted_too(http_client: Served) -> None:
    owner = founded(http_client)
    weak, subject = http_client.portal.call(_newcomer, http_client, owner.org, frozenset({Scope.MEMORIES_READ}))
    async with owner.http() as http, owner.http(weak) as reader:
        await hold(http, subject, 20)
        statuses = [(await call(reader, "delete_all_memories")).status_code for _ in range(21)]
    assert (statuses[0], statuses[-1]) == (403, 429)
    assert statuses == sorted(statuses)


# --- administration ---


@pytest.mark.proves("LIM-1")
async def test_a_change_applies_at_once_and_outlives_a_restart(serving: Serving, data_dir: Path) -> None:
    tiny: dict[str, Any] = {"rate_user_burst": "6/hour", "rate_user": "6/day"}
    with serving(**tiny) as served:
        user, pseudonym = (f"user:{id_}" for id_ in (served.runtime.owner.user, served.runtime.owner.pseudonym))
        async with served.http(served.token()[0]) as http:
            await used_up(http)
            done = await put(http, user, WIDE)
            assert (done.status_code, done.json()) == (200, {"subject": user, **WIDE})
            assert (await call(http)).status_code == 200
            shown = (await http.get("/admin/limits")).json()
            assert shown["overrides"] == [{"subject": user, **WIDE}]
            assert shown["defaults"]["user"] == {"burst": "6/hour", "sustained": "6/day"}
            (use,) = [use for use in shown["use"] if use["subject"] == user]
            assert (use["burst"]["limit"], use["burst"]["window_seconds"]) == (50, 1)
            assert use["sustained"]["used"] > 6 - 2
    with serving(**tiny) as served:
        async with served.http(served.token()[0]) as http:
            for _ in range(7):
                assert (await call(http)).status_code == 200
            gone = await http.delete(f"/admin/limits/{user}")
            assert gone.json() == {"subject": user, "burst": "6/hour", "sustained": "6/day"}
            assert (await call(http)).status_code == 429
            assert (await http.delete(f"/admin/limits/{user}")).status_code == 404
            assert (await put(http, "tool:whoami", WIDE)).status_code == 200
    with closing(sqlite3.connect(data_dir / "codingbrain.db")) as record, record:
        log = record.execute("SELECT action, object, outcome FROM audit ORDER BY seq").fetchall()
        record.execute("UPDATE rate_limits SET burst = 'nonsense'")
    assert [row for row in log if row[0].startswith("limit.")] == [
        ("limit.set", f"limit:{pseudonym}", "ok"),
        ("limit.reset", f"limit:{pseudonym}", "ok"),
        ("limit.set", "limit:tool:whoami", "ok"),
    ]
    assert ("whoami", None, "rate_limited") in log
    with serving(**tiny) as served:
        async with served.http(served.token()[0]) as http:
            assert (await call(http)).status_code == 200
            assert (await http.get("/admin/limits")).json()["overrides"] == []


@pytest.mark.proves("LIM-1")
async def test_each_kind_of_subject_can_be_held_shorter(http_client: Served) -> None:
    for subject in ("org", "user", "tool:whoami"):
        owner = founded(http_client)
        async with owner.http() as http, owner.http(owner.colleague()) as colleague:
            named = owner.subject if subject == "user" else subject
            assert (await put(http, named, {"burst": "2/minute", "sustained": "900/day"})).status_code == 200
            refused = await used_up(http)
            assert refused.headers["ratelimit-policy"] == f'"{subject.partition(":")[0]}-burst";q=2;w=60'
            assert ((await call(http, "list_memories")).status_code == 200) == (subject == "tool:whoami")
            assert ((await call(colleague)).status_code == 200) == (subject == "user")


@pytest.mark.proves("LIM-1")
async def test_routes_can_be_held_shorter_but_not_those_that_change_limits(http_client: Served) -> None:
    owner = founded(http_client)
    async with owner.http() as http:
        await hold(http, "route:POST /mcp", 1)
        assert [(await http.post("/mcp", **modern("ping"))).status_code for _ in range(2)][1] == 429
        assert (await call(http)).status_code == 200
        for route in ("GET /admin/limits", "PUT /admin/limits/{subject:path}", "DELETE /admin/limits/{subject:path}"):
            refused = await put(http, f"route:{route}", WIDE)
            assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_argument")


@pytest.mark.proves("LIM-1")
async def test_nobody_can_shut_themselves_out(http_client: Served) -> None:
    owner = founded(http_client)
    async with owner.http() as http:
        for subject in ("org", owner.subject):
            await hold(http, subject, 1)
        await used_up(http)
        shown = await http.get("/admin/limits")
        assert shown.status_code == 200
        assert shown.headers["ratelimit-policy"].startswith('"limits-')
        for each in shown.json()["overrides"]:
            assert (await http.delete(f"/admin/limits/{each['subject']}")).status_code == 200
        assert (await call(http)).status_code == 200


@pytest.mark.parametrize(
    ("subject", "pair", "expected"),
    [
        ("tool:whoami", {"burst": "1/second"}, (422, "invalid_argument", "sustained")),
        ("tool:whoami", {"burst": "0/second", "sustained": "1/minute"}, (422, "invalid_argument", "burst")),
        ("tool:whoami", {"burst": "1/second", "sustained": "-1/minute"}, (422, "invalid_argument", "sustained")),
        ("tool:whoami", {"burst": "1/second", "sustained": "9/month"}, (422, "invalid_argument", "sustained")),
        ("tool:whoami", {"burst": "1/minute", "sustained": "1/second"}, (422, "invalid_argument", "window")),
        ("tool:whoami", {"burst": "1/second", "sustained": "1/30 day"}, (422, "invalid_argument", "a day")),
        ("tool:whoami", {"burst": "1/second", "sustained": f"{10**12}/minute"}, (422, "invalid_argument", "sustained")),
        ("tool:whoami", {"burst": "1" * 9_999, "sustained": "1/minute"}, (422, "limit_exceeded", "burst")),
        ("tool:whoami", {**WIDE, "org": "other"}, (422, "invalid_argument", "org")),
        ("tool:whoami", ["1/second"], (422, "invalid_argument", "object")),
        ("tool:whoami", {"burst": 5, "sustained": None}, (422, "invalid_argument", "burst")),
        ("org", {"burst": "5000/second", "sustained": "5001/minute"}, (422, "invalid_argument", "4000/second")),
        ("org", {"burst": "10/second", "sustained": "5000/2 second"}, (422, "invalid_argument", "120000/minute")),
        ("tool:unknown", WIDE, (404, "not_found", "subject")),
        ("route:POST /nowhere", WIDE, (404, "not_found", "subject")),
        ("user:nobody", WIDE, (404, "not_found", "subject")),
        (f"user:{UUID(int=77)}", WIDE, (404, "not_found", "subject")),
        ("orgs", WIDE, (404, "not_found", "subject")),
        (f"org:{UUID(int=77)}", WIDE, (404, "not_found", "subject")),
    ],
    ids=str,
)
@pytest.mark.proves("LIM-1")
async def test_what_makes_no_sense_changes_nothing(
    http_client: Served, subject: str, pair: object, expected: tuple[int, str, str]
) -> None:
    async with http_client.http(http_client.token()[0]) as http:
        refused = await put(http, subject, pair)
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == expected[:2]
        assert expected[2] in error["message"]
        assert len(error["message"]) < 300
        assert (await http.get("/admin/limits")).json()["overrides"] == []


@pytest.mark.proves("LIM-1")
async def test_reading_and_changing_need_their_scopes(http_client: Served) -> None:
    for scopes, statuses in (
        ([Scope.ADMIN_READ], (200, 403, 403)),
        ([Scope.ADMIN_WRITE], (403, 404, 404)),
        (EVERYDAY, (403, 403, 403)),
    ):
        async with http_client.http(http_client.token(scopes)[0]) as http:
            read, change, reset = (
                await http.get("/admin/limits"),
                await put(http, "tool:unknown", WIDE),
                await http.delete("/admin/limits/tool:unknown"),
            )
            assert (read.status_code, change.status_code, reset.status_code) == statuses
    async with http_client.http() as http:
        assert (await http.get("/admin/limits")).status_code == 401
