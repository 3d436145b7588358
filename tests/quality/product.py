"""The product's answers, as an assistant gets them: over MCP, from a server that was started for this."""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.bench.server import Server
from tests.quality.collection import Collection, Question
from tests.quality.metrics import Ranking

LIMIT: Final = 10

_BATCH = 100
_CALL_SECONDS = 60.0
_INDEXING_SECONDS = 3_600.0
_PATIENCE = 2.0


class ProductError(Exception):
    """The server did not do what the measurement needs."""


@asynccontextmanager
async def session(server: Server) -> AsyncIterator[Client]:
    """A client of the official SDK."""
    headers = {"Authorization": f"Bearer {server.address.token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=_CALL_SECONDS) as http:
        transport = streamable_http_client(server.url, http_client=http)
        async with Client(transport, read_timeout_seconds=_CALL_SECONDS) as client:
            yield client


async def rankings(client: Client, collection: Collection, questions: Sequence[Question]) -> dict[str, Ranking]:
    """The ids of the texts that `search_memory` finds for each question, once all texts are searchable."""
    owners = await ingest(client, collection)
    await indexed(client, list(owners)[-1])
    return {question.id: await ask(client, question, owners) for question in questions}


async def ingest(client: Client, collection: Collection) -> dict[str, str]:
    """Store the texts; the text's id for each memory's id.

    Raises:
        ProductError: a text was not stored as a memory of its own.
    """
    owners: dict[str, str] = {}
    for start in range(0, len(collection.texts), _BATCH):
        batch = collection.texts[start : start + _BATCH]
        answer = await _call(client, "add_memories", memories=[{"text": text.text} for text in batch])
        for text, receipt in zip(batch, answer["results"], strict=True):
            if receipt["outcome"] != "created":
                raise ProductError(f"text {text.id} was not stored: {receipt}")
            owners[receipt["id"]] = text.id
    return owners


async def indexed(client: Client, last: str) -> None:
    """Wait until the lanes can find the memory that was stored last; they take memories up in order.

    Raises:
        ProductError: it failed, or took too long.
    """
    with anyio.fail_after(_INDEXING_SECONDS):
        while (state := (await _call(client, "get_memory", id=last))["indexing"].get("vector")) != "indexed":
            if state == "failed":
                raise ProductError("the vector lane could not take up what was stored")
            print(".", end="", file=sys.stderr, flush=True)
            await anyio.sleep(_PATIENCE)


async def ask(client: Client, question: Question, owners: Mapping[str, str]) -> Ranking:
    """The texts that answer a question, best first.

    Raises:
        ProductError: a lane was missing.
    """
    answer = await _call(client, "search_memory", query=question.text, limit=LIMIT)
    if answer["degraded"]:
        raise ProductError(f"the answer is degraded: {answer['lanes']}")
    return [owners[hit["id"]] for hit in answer["hits"]]


async def _call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    result = await client.call_tool(tool, arguments)
    if result.is_error or result.structured_content is None:
        raise ProductError(f"{tool}: {result.content}")
    return result.structured_content
