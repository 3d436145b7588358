"""What must not be possible, and what must not break: each was possible or broke once."""

import json
import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from codingbrain import clock
from codingbrain.errors import StorageError
from codingbrain.identity.scopes import Scope
from codingbrain.record.unit import OperatorRecord
from codingbrain.runtime import DATABASE
from codingbrain.sync.upkeep import OPERATOR, Upkeep
from tests.journeys.program import Program
from tests.journeys.served import Served, Serving, modern
from tests.journeys.test_memory import Assistant, assistant

pytestmark = pytest.mark.anyio

EDGES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"]


@pytest.mark.proves("SRCH-8")
@pytest.mark.parametrize("at", EDGES)
@pytest.mark.parametrize("field", ["created_at", "valid_from", "valid_to"])
async def test_a_time_that_cannot_be_told_is_refused(http_client: Served, at: str, field: str) -> None:
    """In UTC it lies outside the calendar: stored, it would break every page that shows it."""
    async with assistant(http_client) as call:
        refused = await call.refused("add_memories", memories=[{"text": f"edge {uuid4()}", field: at}])
        assert refused["code"] == "invalid_argument"
        assert "years 1 to 9999" in refused["message"]
        for fine in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
            await call("add_memories", memories=[{"text": f"edge {uuid4()}", field: fine}])
        assert (await call("list_memories"))["memories"]


@pytest.mark.proves("MEM-1")
async def test_deleting_takes_the_scope_of_deleting(http_client: Served) -> None:
    token, _ = http_client.token([Scope.MEMORIES_READ, Scope.MEMORIES_WRITE], client="writer")
    async with http_client.mcp("http", "auto", token) as client:
        call = Assistant(client)
        added = (await call("add_memories", text=f"keep me {uuid4()}"))["results"][0]["id"]
        refused = await call.refused("update_memory", id=added, state="deleted")
        assert refused["code"] == "invalid_argument"
        assert (await call("get_memory", id=added)).get("state", "active") == "active"


@pytest.mark.proves("SRCH-8", "MEM-9")
async def test_many_small_updates_cannot_break_a_rule(http_client: Served) -> None:
    async with assistant(http_client) as call:
        added = await call("add_memories", memories=[{"text": f"rules {uuid4()}", "valid_to": "2020-01-01T00:00:00Z"}])
        id_ = added["results"][0]["id"]
        await call("update_memory", id=id_, add_tags=[f"a{number}" for number in range(50)])
        more = await call("update_memory", id=id_, add_tags=["one too many"])
        assert more["results"][0]["error"]["code"] == "limit_exceeded"
        inverted = await call("update_memory", id=id_, valid_from="2021-01-01T00:00:00Z")
        assert inverted["results"][0]["error"]["code"] == "invalid_argument"


@pytest.mark.proves("SRCH-8", "SRCH-4")
async def test_a_page_of_long_memories_is_bounded(http_client: Served) -> None:
    tag = uuid4().hex
    async with assistant(http_client) as call:
        for _ in range(3):
            items = [{"text": f"{uuid4()} " + "long " * 6_000, "tags": [tag]} for _ in range(5)]
            await call("add_memories", memories=items)
        seen: list[str] = []
        more: dict[str, object] = {}
        while True:
            page = await call("list_memories", tags=[tag], limit=100, **more)
            assert len(json.dumps(page)) < 400_000
            seen += [memory["id"] for memory in page["memories"]]
            if "cursor" not in page:
                break
            more = {"cursor": page["cursor"]}
        assert len(seen) == len(set(seen)) == 15


@pytest.mark.proves("RUN-2")
async def test_half_a_surrogate_pair_is_answered_under_its_id(mcp_client: Program, http_client: Served) -> None:
    """Clients that cut a text within an emoji send it, and wait for an answer."""
    params = '{"name": "add_memories", "arguments": {"text": "cut \\ud83d"}}'
    line = f'{{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {params}}}'
    async with mcp_client.stdio() as front:
        await front.write(line.encode() + b"\n")
        answer = await front.hear()
        assert (answer["id"], answer["error"]["code"]) == (7, -32602)
        assert "surrogate" in answer["error"]["message"]
        assert "result" in await front.call("whoami")
    token, _ = http_client.token()
    async with http_client.http(token) as http:
        post = modern("tools/call", "add_memories", arguments={"text": "x"})
        answered = await http.post("/mcp", content=line, headers=post["headers"])
    assert answered.status_code == 400
    assert answered.json()["id"] == 7


@pytest.mark.proves("RUN-11")
async def test_signs_in_a_path_are_part_of_the_path(command: Program) -> None:
    odd = Program(command.data.parent / "a?b=1#c d%20é", command.settings)
    issued = await odd.run("token", "issue", "--client", "odd")
    try:
        assert issued.returncode == 0, issued.stderr
        assert (odd.data / DATABASE).is_file()
        assert {path.name for path in odd.data.parent.iterdir()} <= {odd.data.name, command.data.name}
    finally:
        await odd.run("stop")


@pytest.mark.proves("RUN-6")
async def test_nothing_is_acknowledged_into_a_file_that_is_gone(serving: Serving, data_dir: Path) -> None:
    with serving() as own:
        async with assistant(own) as call:
            await call("add_memories", text="there")
            shutil.move(data_dir / DATABASE, data_dir / "elsewhere.db")
            refused = await call.refused("add_memories", text="nowhere")
            assert refused["code"] == StorageError.code
        async with own.http() as http:
            assert (await http.get("/health/ready")).status_code == 503


@pytest.mark.proves("SRCH-3")
async def test_only_when_no_lane_answers_does_a_search_fail(serving: Serving) -> None:
    with serving() as own:
        async with assistant(own) as call:
            await call("add_memories", text="soon unreadable")
            engines = own.runtime.pipeline.engines
            own.portal.call(engines.record.write, lambda connection: connection.exec_driver_sql("DROP TABLE lexical"))
            refused = await call.refused("search_memory", query="unreadable")
            assert (refused["code"], refused["retryable"]) == ("unavailable", True)
            assert "lexical" in refused["message"]


@pytest.mark.proves("MEM-1")
async def test_after_its_days_of_grace_a_deleted_memory_is_gone(serving: Serving) -> None:
    with serving(deleted_days=30) as own:
        async with assistant(own) as call:
            ids = [(await call("add_memories", text=f"n {n}"))["results"][0]["id"] for n in range(2)]
            await call("delete_memories", ids=[ids[0]])
            record = OperatorRecord(own.runtime.pipeline.engines.record, OPERATOR)

            def days_later(days: int) -> Upkeep:
                return Upkeep(record, 30, lambda: clock.now() + days * clock.DAY)

            own.portal.call(days_later(29).once)
            assert (await call("get_memory", id=ids[0]))["state"] == "deleted"
            own.portal.call(days_later(31).once)
            assert (await call.refused("get_memory", id=ids[0]))["code"] == "not_found"
            assert (await call.refused("memory_history", id=ids[0]))["code"] == "not_found"
            assert await call("get_memory", id=ids[1])


@pytest.mark.proves("RUN-10")
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("public_url", "http://x:99999"),
        ("public_url", "http://[::1"),
        ("record_url", "sqlite:/elsewhere.db"),
        ("vectors_url", "exact:somewhere"),
    ],
)
async def test_what_cannot_be_used_is_no_setting(command: Program, setting: str, value: str) -> None:
    own = Program(command.data, {**command.settings, setting: value})
    for arguments in (("settings", "--check"), ("serve",)):
        refused = await own.run(*arguments)
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"codingbrain: configuration_invalid: {setting}: ")
        assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "bad",
    [
        ["--client", "x", "--expires", "999999999w"],
        ["--client", "two\nlines"],
        ["--client", "\x1b[31m"],
        ["--client", ""],
    ],
)
async def test_a_token_is_not_issued_to_nonsense(command: Program, bad: list[str]) -> None:
    refused = await command.run("token", "issue", *bad)
    assert refused.returncode == 1
    assert refused.stderr.startswith("codingbrain: invalid_argument: ")
    assert len(refused.stderr.splitlines()) == 1
    assert (await command.run("token", "list")).stdout.strip() == "no tokens"


@pytest.mark.proves("RUN-11")
@pytest.mark.parametrize("name", ["host.sock", "host.json"])
async def test_what_is_in_the_way_is_named(command: Program, name: str) -> None:
    command.data.mkdir(mode=0o700)
    (command.data / name / "something").mkdir(parents=True)
    refused = await command.run("token", "list")
    assert refused.returncode == 1
    assert refused.stderr.startswith("codingbrain: storage_failed: ")
    assert f"{name} is in the way" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
