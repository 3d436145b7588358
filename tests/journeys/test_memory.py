"""The memory tools as an assistant uses them, with the real embedding model, over a real socket."""

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from mcp import Client

from codingbrain.identity.scopes import Scope
from tests.journeys.served import Era, Served, Serving, Transport, serve

pytestmark = pytest.mark.anyio

WAYS: list[tuple[Transport, Era]] = [
    ("http", "auto"),
    ("http", "legacy"),
    ("sse", "auto"),
    ("sse", "legacy"),
]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """An instance with the model, for this module."""
    with TemporaryDirectory(prefix="cb-") as folder, serve(Path(folder), embedder_url="granite:") as instance:
        yield instance


class Assistant:
    """An SDK client that gives structured content, or fails with what the tool said."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __call__(self, tool: str, **arguments: object) -> dict[str, Any]:
        answer = await self._client.call_tool(tool, arguments)
        assert not answer.is_error, answer.content
        assert answer.structured_content is not None
        return answer.structured_content

    async def refused(self, tool: str, **arguments: object) -> dict[str, Any]:
        answer = await self._client.call_tool(tool, arguments)
        assert answer.is_error, answer
        assert answer.structured_content is not None
        return answer.structured_content

    async def add(self, text: str, **fields: object) -> str:
        """Store one memory, wait until every lane finds it; its id."""
        item = {"text": text, **fields}
        results = (await self("add_memories", memories=[item], wait_seconds=20))["results"]
        assert results[0]["outcome"] == "created"
        return results[0]["id"]

    async def texts(self, query: str, **arguments: object) -> list[str]:
        return [hit["text"] for hit in (await self("search_memory", query=query, **arguments))["hits"]]


@asynccontextmanager
async def assistant(served: Served, transport: Transport = "http", era: Era = "auto") -> AsyncGenerator[Assistant]:
    token, _ = served.token(client="journey")
    async with served.mcp(transport, era, token) as client:
        yield Assistant(client)


@pytest.mark.proves("MEM-1", "RUN-2", "SRCH-1")
@pytest.mark.parametrize(("transport", "era"), WAYS)
async def test_from_first_note_to_last(http_client: Served, transport: Transport, era: Era) -> None:
    """Add, find by paraphrase and by word, change, look back, delete, restore."""
    mark = uuid4().hex[:8]
    async with assistant(http_client, transport, era) as call:
        added = await call.add(f"Service {mark}: at most twenty database connections may be open at the same time.")
        other = await call.add(f"Service {mark}: the logo is green, as marketing decided in spring.")
        assert (await call.texts(f"how large is the db pool of {mark}"))[0].endswith("same time.")
        assert (await call.texts(f'"{mark}" marketing'))[0].endswith("spring.")
        text = f"Service {mark}: at most forty database connections may be open at the same time."
        changed = await call("update_memory", ids=[added], text=text, wait_seconds=20)
        assert changed["results"][0] | {"version": 2} == changed["results"][0]
        assert (await call.texts(f"how large is the db pool of {mark}"))[0] == text
        history = await call("memory_history", id=added)
        assert [step["event"] for step in history["revisions"]] == ["updated", "created"]
        assert "twenty" in history["revisions"][1]["memory"]["text"]
        deleted = await call("delete_memories", ids=[added])
        assert deleted["results"][0]["outcome"] == "deleted"
        assert text not in await call.texts(f"how large is the db pool of {mark}")
        assert (await call("get_memory", id=added))["state"] == "deleted"
        await call("update_memory", ids=[added], state="active", wait_seconds=20)
        assert (await call.texts(f"how large is the db pool of {mark}"))[0] == text
        assert (await call("get_memory", id=other))["text"].startswith(f"Service {mark}")


@pytest.mark.proves("MEM-1")
async def test_plain_openmemory_calls_keep_working(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    async with assistant(http_client) as call:
        added = await call("add_memories", text=f"The {mark} build runs on Node 24.", infer=True)
        assert "stored as it is" in added["note"]
        assert any(mark in text for text in await call.texts(f"{mark} node version"))
        listed = (await call("list_memories"))["memories"]
        assert any(mark in memory["text"] for memory in listed)
        gone = await call("delete_memories", memory_ids=[added["results"][0]["id"]])
        assert gone["results"][0]["outcome"] == "deleted"


@pytest.mark.proves("MEM-1")
async def test_deleting_everything_takes_the_phrase(serving: Serving) -> None:
    with serving() as own:
        async with assistant(own) as call:
            for part in range(3):  # more than one transaction takes
                await call("add_memories", memories=[{"text": f"note {part} {number}"} for number in range(70)])
            asked = await call("delete_all_memories")
            assert asked["deleted"] == 0
            assert (await call.refused("delete_all_memories", confirm="yes"))["code"] == "invalid_argument"
            assert len((await call("list_memories", limit=100))["memories"]) == 100
            assert (await call("delete_all_memories", confirm=asked["confirm"]))["deleted"] == 210
            assert (await call("list_memories"))["memories"] == []
            assert len((await call("list_memories", states=["deleted"], limit=100))["memories"]) == 100


FULL: dict[str, Any] = {
    "category": "decision",
    "tags": ["postgres", "billing"],
    "entities": ["Billing", "Ada"],
    "artifact_type": "service",
    "artifact_ref": "billing",
    "evidence": ["benchmark of 3 May"],
    "source": {"app": "editor", "tool": "chat", "url": "https://example.org/1", "commit": "abc123"},
    "code_refs": [{"path": "src/billing/db.py", "repo": "shop", "lines": "10-20", "symbol": "connect"}],
    "created_at": "2024-05-03T12:00:00Z",
    "valid_from": "2024-05-03T00:00:00Z",
    "valid_to": "2030-01-01T00:00:00Z",
    "pinned": True,
}


@pytest.mark.proves("MEM-2")
async def test_every_field_comes_back(http_client: Served) -> None:
    async with assistant(http_client) as call:
        added = await call.add(f"We chose PostgreSQL. {uuid4().hex}", **FULL)
        memory = await call("get_memory", id=added)
        assert memory["tags"] == ["billing", "postgres"]
        assert memory["artifact"] == {"type": "service", "ref": "billing"}
        plain = (
            "category",
            "entities",
            "evidence",
            "source",
            "code_refs",
            "created_at",
            "valid_from",
            "valid_to",
            "pinned",
        )
        for name in plain:
            assert memory[name] == FULL[name], name
        assert memory["indexing"] == {"lexical": "indexed", "vector": "indexed"}
        assert (await call.texts("src/billing/db.py connect"))[0].startswith("We chose PostgreSQL")
        for filters in ({"categories": ["decision"]}, {"tags": ["postgres"]}, {"created_to": "2024-06-01T00:00:00Z"}):
            assert await call.texts("database choice", **filters)
        assert await call.texts("database choice", categories=["glossary"]) == []
        assert await call.texts("database choice", created_to="2024-05-03T12:00:00Z") == []


@pytest.mark.proves("MEM-4")
async def test_receipts_tell_what_became_of_each_item(http_client: Served) -> None:
    mark = uuid4().hex
    async with assistant(http_client) as call:
        first = (await call("add_memories", text=f"{mark} one"))["results"][0]
        assert first["durable"]
        assert first["lanes"]["lexical"] == "indexed"
        assert first["lanes"]["vector"] in {"queued", "indexed"}
        again = (await call("add_memories", text=f"{mark} one"))["results"][0]
        assert (again["outcome"], again["duplicate_of"], again["id"]) == ("duplicate", first["id"], first["id"])
        richer = (await call("add_memories", text=f"{mark} one", tags=["new"]))["results"][0]
        assert (richer["outcome"], richer["duplicate_of"]) == ("created", first["id"])
        batch = await call("update_memory", ids=[first["id"], str(uuid4())], pinned=True)
        assert [each["outcome"] for each in batch["results"]] == ["updated", "failed"]
        assert batch["results"][1]["error"]["code"] == "not_found"
        waited = await call("add_memories", memories=[{"text": f"{mark} {n}"} for n in range(5)], wait_seconds=20)
        assert [each["lanes"]["vector"] for each in waited["results"]] == ["indexed"] * 5


@pytest.mark.proves("MEM-4")
async def test_an_idempotency_key_makes_a_repeat_harmless(http_client: Served) -> None:
    key, text = uuid4().hex, f"exactly once {uuid4().hex}"
    async with assistant(http_client) as call:
        first = await call("add_memories", memories=[{"text": text, "tags": ["a"]}], idempotency_key=key)
        second = await call("add_memories", memories=[{"text": text, "tags": ["a"]}], idempotency_key=key)
        assert first["results"][0]["id"] == second["results"][0]["id"]
        assert second["results"][0]["outcome"] == "created"
        other = await call.refused("add_memories", memories=[{"text": "different"}], idempotency_key=key)
        assert other["code"] == "idempotency_conflict"


@pytest.mark.proves("MEM-9")
async def test_updates_do_not_overwrite_each_other(http_client: Served) -> None:
    async with assistant(http_client) as call:
        added = await call.add(f"versioned {uuid4().hex}", tags=["x", "y"], created_at="2023-01-01T00:00:00Z")
        kept = await call(
            "update_memory", id=added, version=1, add_tags=["z"], remove_tags=["x"], preserve_timestamps=True
        )
        assert kept["results"][0]["version"] == 2
        memory = await call("get_memory", id=added)
        assert (memory["tags"], memory["updated_at"]) == (["y", "z"], "2023-01-01T00:00:00Z")
        late = await call("update_memory", id=added, version=1, text="too late")
        assert late["results"][0]["error"]["code"] == "version_conflict"
        assert "version 2" in late["results"][0]["error"]["message"]
        others = [await call.add(f"bulk {uuid4().hex}") for _ in range(3)]
        bulk = await call("update_memory", ids=others, state="archived", add_tags=["old"])
        assert [each["outcome"] for each in bulk["results"]] == ["updated"] * 3
        archived = await call("list_memories", states=["archived"], tags=["old"])
        assert {memory["id"] for memory in archived["memories"]} >= set(others)
        cleared = await call("update_memory", id=added, category="fact")
        assert cleared["results"][0]["version"] == 3
        await call("update_memory", id=added, category=None)
        assert "category" not in await call("get_memory", id=added)


@pytest.mark.proves("SRCH-1", "SRCH-3")
async def test_an_answer_explains_itself(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    async with assistant(http_client) as call:
        await call.add(f"{mark} retries are capped at five attempts")
        await call.add(f"{mark} the cache expires after an hour")
        first = await call("search_memory", query=f"{mark} how often do we try again")
        again = await call("search_memory", query=f"{mark} how often do we try again")
        assert [hit["id"] for hit in first["hits"]] == [hit["id"] for hit in again["hits"]]
        assert first["query_id"] != again["query_id"]
        assert "capped" in first["hits"][0]["text"]
        assert set(first["hits"][0]["why"]) == {"lexical", "vector", "recency"}
        assert {lane: report["outcome"] for lane, report in first["lanes"].items()} == {
            "lexical": "ran",
            "vector": "ran",
            "recency": "ran",
        }
        assert first["degraded"] is False
        assert first["timings_ms"]["total"] >= first["timings_ms"]["vector"] > 0
        scores = [hit["score"] for hit in first["hits"]]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] <= 1


@pytest.mark.proves("SRCH-4")
async def test_a_token_budget_cuts_and_a_cursor_goes_on(http_client: Served) -> None:
    mark = uuid4().hex[:8]
    async with assistant(http_client) as call:
        for number in range(12):
            await call.add(f"{mark} note {number}: " + "the queue drains in order. " * 10)
        whole = await call("search_memory", query=f"{mark} queue", limit=12)
        small = await call("search_memory", query=f"{mark} queue", limit=12, max_tokens=400)
        assert 0 < len(small["hits"]) < len(whole["hits"])
        assert sum(len(json.dumps(hit)) for hit in small["hits"]) / 4 < 800
        seen, cursor = [], None
        while True:
            page = await call("search_memory", query=f"{mark} queue", limit=5, **({"cursor": cursor} if cursor else {}))
            seen += [hit["id"] for hit in page["hits"]]
            if not (cursor := page.get("cursor")) or len(seen) > 500:
                break
        assert len(seen) == len(set(seen))
        assert seen[:12] == [hit["id"] for hit in whole["hits"]]
        tiny = await call("search_memory", query=f"{mark} queue", max_tokens=50)
        assert len(tiny["hits"]) == 1


@pytest.mark.proves("SRCH-4", "SRCH-8")
async def test_a_cursor_of_another_query_is_refused(http_client: Served) -> None:
    async with assistant(http_client) as call:
        for number in range(3):
            await call("add_memories", text=f"cursor {number} {uuid4().hex}")
        cursor = (await call("list_memories", limit=1))["cursor"]
        assert (await call("list_memories", limit=1, cursor=cursor))["memories"]
        for tool, arguments in (
            ("list_memories", {"cursor": cursor, "states": ["archived"]}),
            ("list_memories", {"cursor": cursor[:-2] + "xx"}),
            ("search_memory", {"query": "cursor", "cursor": cursor}),
        ):
            assert (await call.refused(tool, **arguments))["code"] == "invalid_cursor"


TOO_MUCH: list[tuple[str, dict[str, Any], str]] = [
    ("search_memory", {"query": "x" * 2_001}, "2000"),
    ("search_memory", {"query": "x", "limit": 0}, "1"),
    ("search_memory", {"query": "x", "limit": 1_000_000}, "100"),
    ("search_memory", {"query": "   "}, "query"),
    ("search_memory", {"query": "x", "max_tokens": 1}, "50"),
    ("add_memories", {"text": ""}, "text"),
    ("add_memories", {"text": "x" * 32_769}, "32768"),
    ("add_memories", {"text": "a\u0000b"}, "text"),
    ("add_memories", {"text": "x", "tags": ["t"] * 51}, "50"),
    ("add_memories", {"memories": [{"text": "x"}] * 101}, "100"),
    ("add_memories", {"text": 7}, "text"),
    ("add_memories", {"text": "x", "colour": "red"}, "colour"),
    ("add_memories", {}, "text"),
    ("add_memories", {"text": "x", "category": "gossip"}, "category"),
    ("add_memories", {"text": "x", "wait_seconds": 1e9}, "30"),
    ("get_memory", {"id": "not-an-id"}, "id"),
    ("delete_memories", {"ids": []}, "ids"),
    ("memory_history", {"id": str(uuid4()), "limit": 101}, "100"),
]


@pytest.mark.proves("SRCH-8")
@pytest.mark.parametrize(("tool", "arguments", "named"), TOO_MUCH)
async def test_a_limit_is_named(http_client: Served, tool: str, arguments: dict[str, Any], named: str) -> None:
    async with assistant(http_client) as call:
        fault = await call.refused(tool, **arguments)
    assert fault["code"] in {"invalid_argument", "limit_exceeded"}
    assert named in fault["message"]
    assert len(fault["message"]) < 500


@pytest.mark.proves("MEM-1")
async def test_an_unknown_id_is_unknown(http_client: Served) -> None:
    async with assistant(http_client) as call:
        for tool, arguments in (("get_memory", {"id": str(uuid4())}), ("memory_history", {"id": str(uuid4())})):
            assert (await call.refused(tool, **arguments))["code"] == "not_found"


SCRIPTS = [
    ("数据库连接池最多允许二十个连接", "连接池"),
    ("データベース接続プールの上限は二十です", "接続プール"),
    ("데이터베이스 연결 풀은 스무 개로 제한됩니다", "연결 풀"),
    ("Пул соединений ограничен двадцатью", "соединений"),
    ("Der Verbindungspool ist auf zwanzig begrenzt, größer wäre gefährlich", "groesser Verbindungspool"),
    ("La piscine de connexions est limitée à vingt", "limitee"),
    ("تجمع الاتصالات محدود بعشرين", "الاتصالات"),
    ("मिश्रित deploy पाइपलाइन mixed スクリプト getPoolSize", "pool size"),
]


@pytest.mark.proves("SRCH-9")
@pytest.mark.parametrize(("text", "query"), SCRIPTS)
async def test_other_scripts_are_found_by_their_words(http_client: Served, text: str, query: str) -> None:
    async with assistant(http_client) as call:
        await call("add_memories", text=text)
        answer = await call("search_memory", query=query, limit=20)
        found = [hit for hit in answer["hits"] if hit["text"] == text]
        assert found
        assert "lexical" in found[0]["why"]
        assert "English" in answer["lanes"]["vector"]["limits"]


@pytest.mark.proves("MEM-1")
async def test_a_reader_cannot_write(http_client: Served) -> None:
    token, _ = http_client.token([Scope.MEMORIES_READ], client="reader")
    async with http_client.mcp("http", "auto", token) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} >= {"search_memory", "whoami"}
        assert "add_memories" not in {tool.name for tool in (await client.list_tools()).tools}
        assert not (await client.call_tool("list_memories", {})).is_error
