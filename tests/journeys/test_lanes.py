"""What users see of the lanes: a model that loads, is missing or fails, an index that was lost, weights that count."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from codingbrain.inference.granite import load
from codingbrain.ports.embedder import Embedder, Model
from codingbrain.runtime import DATABASE
from tests.journeys.program import Program
from tests.journeys.served import WAIT, Served, Serving, modern

pytestmark = pytest.mark.anyio


async def call(instance: Served, tool: str, **arguments: object) -> dict[str, Any]:
    """One call over HTTP; its structured content."""
    token, _ = instance.token()
    async with instance.http(token) as http:
        answer = await http.post("/mcp", **modern("tools/call", tool, arguments=arguments))
    result = answer.json()["result"]
    assert not result.get("isError"), result
    return result["structuredContent"]


async def ready(instance: Served) -> dict[str, Any]:
    async with instance.http() as http:
        return (await http.get("/health/ready")).json()


@pytest.mark.proves("RUN-3", "RUN-8", "SRCH-3")
async def test_while_the_model_loads_words_are_found(serving: Serving) -> None:
    release = Event()

    def slow() -> Embedder:
        assert release.wait(WAIT)
        return load("granite:", 1)

    with serving(slow) as own:
        try:
            added = await call(own, "add_memories", text="The staging cluster sleeps at night.")
            assert added["results"][0]["lanes"] == {"lexical": "indexed", "vector": "queued"}
            answer = await call(own, "search_memory", query="staging cluster")
            assert answer["hits"][0]["text"].startswith("The staging cluster")
            assert answer["degraded"]
            assert answer["lanes"]["vector"]["outcome"] == "failed"
            assert "loading" in answer["lanes"]["vector"]["reason"]
            assert (await ready(own))["status"] == "degraded"
        finally:
            release.set()
        with anyio.fail_after(WAIT):
            while (await call(own, "search_memory", query="when is pre-production switched off"))["degraded"]:
                pass  # each question takes its time
        added = await call(own, "add_memories", text="The staging cluster has four nodes.", wait_seconds=20)
        assert added["results"][0]["lanes"]["vector"] == "indexed"
        assert (await ready(own))["status"] == "ok"


@pytest.mark.proves("RUN-8")
async def test_without_a_model_nothing_pretends_to_be_semantic(serving: Serving) -> None:
    with serving(embedder_url="granite:/nowhere/model") as own:
        await call(own, "add_memories", text="Feature flags live in the flags service.")
        with anyio.fail_after(WAIT):
            while "loading" in json.dumps(answer := await call(own, "search_memory", query="feature flags")):
                pass  # each question takes its time
        assert answer["hits"]
        assert answer["degraded"]
        assert set(answer["hits"][0]["why"]) == {"lexical", "recency"}
        assert "granite" in answer["lanes"]["vector"]["reason"] or "model" in answer["lanes"]["vector"]["reason"]
        assert (await ready(own))["status"] == "degraded"


class Fragile:
    """The real model, but some texts break it."""

    def __init__(self) -> None:
        self._embedder = load("granite:", 1)

    @property
    def model(self) -> Model:
        return self._embedder.model

    @property
    def limits(self) -> str:
        return self._embedder.limits

    def split(self, text: str) -> list[str]:
        return self._embedder.split(text)

    async def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if any("poison" in text for text in texts):
            raise ValueError(texts)
        return await self._embedder.documents(texts)

    async def query(self, text: str) -> NDArray[np.float32]:
        return await self._embedder.query(text)


@pytest.mark.proves("MEM-4")
async def test_an_index_write_can_fail_visibly(serving: Serving) -> None:
    with serving(Fragile) as own:
        texts = [{"text": text} for text in ("a poison pill", "an apple", "a pear")]
        receipts = (await call(own, "add_memories", memories=texts, wait_seconds=20))["results"]
        assert [receipt["lanes"]["vector"] for receipt in receipts] == ["failed", "indexed", "indexed"]
        memory = await call(own, "get_memory", id=receipts[0]["id"])
        assert memory["indexing"] == {"lexical": "indexed", "vector": "failed"}
        hits = (await call(own, "search_memory", query="poison"))["hits"]
        assert receipts[0]["id"] in {hit["id"] for hit in hits}


@pytest.mark.proves("SYNC-1")
@pytest.mark.parametrize(
    "damage",
    [
        tuple(
            f"DROP TABLE {table}"
            for table in ("lexical", "lexical_texts", "lexical_objects", "lexical_scopes", "lexical_layout", "vectors")
        ),
        ("DELETE FROM lexical_layout", "DELETE FROM vectors_layout"),
        ("UPDATE lexical_objects SET version = 0", "UPDATE vectors SET version = 0"),
    ],
)
async def test_a_lost_index_is_caught_up_from_the_record(
    serving: Serving, data_dir: Path, damage: tuple[str, ...]
) -> None:
    with serving(embedder_url="granite:") as own:
        texts = [{"text": f"Runbook {number}: restart the ingester when lag grows."} for number in range(20)]
        await call(own, "add_memories", memories=texts, wait_seconds=20)
    with closing(sqlite3.connect(data_dir / DATABASE)) as database:
        for statement in damage:
            database.execute(statement)
        database.commit()
    with serving(embedder_url="granite:") as again, anyio.fail_after(WAIT):
        while True:
            answer = await call(again, "search_memory", query="runbook ingester lag", limit=50)
            if len(answer["hits"]) == 20 and all({"lexical", "vector"} <= set(hit["why"]) for hit in answer["hits"]):
                break


@pytest.mark.proves("SRCH-1")
async def test_weights_change_the_ranking(serving: Serving) -> None:
    """The same memories, two settings: the first hit follows the heavier lane."""
    texts = ["Refunds are paid within ten days of the return.", "My back hurts; I get to the gym."]
    first: dict[str, str] = {}
    for heavy, light in (("lexical", "vector"), ("vector", "lexical")):
        weights: dict[str, object] = {f"weight_{heavy}": 5.0, f"weight_{light}": 0.1, "weight_recency": 0.0}
        with serving(None, embedder_url="granite:", **weights) as own:
            await call(own, "add_memories", memories=[{"text": text} for text in texts], wait_seconds=20)
            with anyio.fail_after(WAIT):
                while (answer := await call(own, "search_memory", query="how to get my money back"))["degraded"]:
                    pass  # the model is loading; each question takes its time
            first[heavy] = answer["hits"][0]["text"]
    assert first == {"lexical": texts[1], "vector": texts[0]}


@pytest.mark.proves("SRCH-1")
async def test_of_equal_matches_the_fresher_comes_first(serving: Serving) -> None:
    with serving() as own:
        for days in (90, 0, 30):
            created = (datetime.now(UTC) - timedelta(days=days)).isoformat()
            item = {"text": "The on-call rota changes on Monday.", "tags": [str(days)], "created_at": created}
            await call(own, "add_memories", memories=[item])
        answer = await call(own, "search_memory", query="on-call rota")
    assert [hit["tags"][0] for hit in answer["hits"]] == ["0", "30", "90"]


@pytest.mark.proves("STORE-1", "RUN-10")
@pytest.mark.parametrize("setting", ["record_url", "lexical_url", "vectors_url", "embedder_url"])
async def test_an_engine_is_chosen_by_its_url(command: Program, setting: str) -> None:
    own = Program(command.data, {**command.settings, setting: "bogus://somewhere"})
    refused = await own.run("settings", "--check")
    assert refused.returncode == 2
    assert f"{setting}: 'bogus://somewhere' must start with one of:" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.proves("STORE-1")
async def test_without_a_model_the_server_is_whole(
    http_client: Served, record_property: Callable[[str, object], None]
) -> None:
    """`none:` is a choice, not a fault."""
    answer = await call(http_client, "search_memory", query="anything at all")
    record_property("lanes", json.dumps(answer["lanes"]))
    assert answer["lanes"]["vector"]["outcome"] == "skipped"
    assert not answer["degraded"]
    assert (await ready(http_client))["status"] == "ok"
