"""Durable single adds, and bulk ingest against what the embedding model alone can do."""

import os
import statistics
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio

from tests.bench.figure import Figure
from tests.bench.load import Load, Operation, run
from tests.bench.server import Server, serving
from tests.bench.wire import Client, clock
from tests.quality import faq
from tests.quality.collection import load
from tests.quality.embedding import in_batches, model

_SINGLE: Final = 300
_CONCURRENT: Final = 1_600
_CLIENTS: Final = 8
_BULK: Final = 600
_BATCH: Final = 100
_SYNCS: Final = 100
_INDEXING_SECONDS: Final = 300
_STEADY_RATE: Final = 20
_STEADY_SECONDS: Final = 5


def single(folder: Path, texts: Sequence[str], alone: Load, crowd: Load) -> list[Figure]:
    """Latency at one client and rate at eight, each call one committed memory; without the model, which would compete.

    The floor of a durable add is a call of the bare SDK server and one synchronous write.
    """
    floor = alone.p50 + _sync(folder)
    with serving(folder / "single", CODINGBRAIN_EMBEDDER_URL="none:") as server:
        one = run(server, _adding(texts), 1, _SINGLE)
        many = run(server, _adding(texts[2 * _SINGLE :]), _CLIENTS, _CONCURRENT)
    of = "bare SDK call + fsync, p50"
    return [
        Figure("add, 1 client: p50", one.p50, "ms", floor, of),
        Figure("add, 1 client: p95", one.p95, "ms", floor, of),
        Figure("add, 1 client: p99", one.p99, "ms", floor, of, gated=False),
        Figure("add, 8 clients: rate", many.rate, "1/s", crowd.rate, "bare SDK calls/s at 8", more=True),
        Figure("add, 8 clients: p50", many.p50, "ms", crowd.p50, "bare SDK p50 at 8"),
        Figure("add, 8 clients: p95", many.p95, "ms", crowd.p50, "bare SDK p50 at 8"),
        Figure("add, 8 clients: server CPU", many.cpu, "ms/call", crowd.cpu, "bare SDK CPU at 8"),
    ]


def bulk(folder: Path) -> Figure:
    """Texts per second from the first byte sent to searchable by meaning; the reference before and after."""
    texts = [text.text for text in load(faq.NAME).texts[:_BULK]]
    before = _alone(texts)
    with serving(folder / "bulk") as server:
        settle(server)
        began = clock()
        with Client(server.address) as client:
            receipts = [_store(client, texts[start : start + _BATCH]) for start in range(0, _BULK, _BATCH)]
        wait(server, receipts[-1][-1])
        rate = _BULK / (clock() - began)
    reference = statistics.harmonic_mean([before, _alone(texts)])
    return Figure("bulk ingest: rate", rate, "texts/s", reference, "the model alone", more=True)


def following(folder: Path, texts: Sequence[str]) -> Figure:
    """How long the last of some seconds of steady adds takes to be found by meaning; the reference is the bar."""
    pace = threading.Event()
    with serving(folder / "following") as server, Client(server.address) as client:
        settle(server)
        began, last = clock(), ""
        for number, text in enumerate(texts[: _STEADY_RATE * _STEADY_SECONDS]):
            pace.wait(max(0.0, began + number / _STEADY_RATE - clock()))
            last = client.call("add_memories", {"text": text})["results"][0]["id"]
        stored = clock()
        wait(server, last)
        behind = clock() - stored
    return Figure(
        f"vector lane behind at {_STEADY_RATE} adds/s", behind * 1_000, "ms", 2_000, "the allowed 2 s", gated=False
    )


def settle(server: Server) -> None:
    """Return once the vector lane answers, so that loading the model is no part of what follows."""
    with Client(server.address) as client:
        wait(server, _store(client, ["The model is being loaded."])[0])


def wait(server: Server, memory: str) -> None:
    """Return once every lane can find this memory and those stored before it."""
    began = clock()
    with Client(server.address) as client:
        while client.call("get_memory", {"id": memory})["indexing"].get("vector") != "indexed":
            if clock() - began > _INDEXING_SECONDS:
                raise TimeoutError(f"not indexed after {_INDEXING_SECONDS} s")
            client.call("update_memory", {"ids": [memory], "wait_seconds": 1})


def _adding(texts: Sequence[str]) -> Operation:
    def add(client: Client, number: int) -> None:
        client.call("add_memories", {"text": texts[number]})

    return add


def _store(client: Client, texts: Sequence[str]) -> list[str]:
    answer = client.call("add_memories", {"memories": [{"text": text} for text in texts]})
    return [receipt["id"] for receipt in answer["results"]]


def _alone(texts: Sequence[str]) -> float:
    """Texts per second that the model embeds in this process when nothing else runs."""
    embedder = model()
    pieces = [piece for text in texts for piece in embedder.split(text)]
    began = clock()
    anyio.run(in_batches, embedder, pieces)
    return len(texts) / (clock() - began)


def _sync(folder: Path) -> float:
    """Milliseconds of appending a page and having it written to the disk, the median."""
    spans: list[float] = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            began = clock()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno()) if sys.platform == "linux" else os.fsync(file.fileno())
            spans.append(clock() - began)
    return statistics.median(spans) * 1_000
