"""What the two embedded lanes cost and find by themselves, in this process: `python -m tests.bench.lanes`.

Prints figures and judges none. Recall is against scoring everything: the share of its ten best scores that the normal
search reaches too. Needs the collections (`python -m tests.quality.fetch`).
"""

import argparse
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import anyio
import numpy as np
import psutil
from numpy.typing import NDArray

from codingbrain.identity.principal import Tenant
from codingbrain.ports.filters import Facets, Filter
from codingbrain.ports.lexical import PutText, TextQuery
from codingbrain.ports.matches import Match
from codingbrain.ports.vectors import PutVectors, VectorQuery
from codingbrain.stores.lexical.fts5 import NORMAL, Fts5
from codingbrain.stores.lexical.search import Effort
from codingbrain.stores.vectors.exact import Exact
from tests.bench.load import percentiles
from tests.bench.texts import corpus
from tests.bench.wire import clock
from tests.engines import sqlite
from tests.quality.embedding import model

Change = TypeVar("Change")
Ask = Callable[[int], Awaitable[list[Match]]]
Floats = NDArray[np.float32]

_QUESTIONS: Final = 200
_LIMIT: Final = 10
_BATCH: Final = 500
_ORG: Final = Tenant(UUID(int=1))
_EVERYTHING: Final = Effort(budget=10**9, depth=20_000)
_ALL: Final = Filter(frozenset({"own"}), (frozenset({"state:active"}),))
_TENTH: Final = Filter(frozenset({"own"}), (frozenset({"state:active"}), frozenset({"category:1"})))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests.bench.lanes", description=__doc__)
    parser.add_argument("--size", type=int, default=100_000, help="texts of one org")
    made = corpus(parser.parse_args().size)
    questions = made.questions[:_QUESTIONS]
    with tempfile.TemporaryDirectory(prefix="cb-") as folder:
        anyio.run(_lexical, Path(folder), made.texts, questions)
    with tempfile.TemporaryDirectory(prefix="cb-") as folder:
        anyio.run(_vectors, Path(folder), made.vectors, questions)


async def _lexical(folder: Path, texts: Sequence[str], questions: Sequence[str]) -> None:
    async with sqlite(folder) as record:
        engine = Fts5(record)
        await engine.prepare()
        puts = [PutText(UUID(int=number), 1, _facets(number), text) for number, text in enumerate(texts, 1)]
        await _written("lexical", folder, puts, engine.tenant(_ORG).apply)

    def asking(engine: Fts5, allowed: Filter) -> Ask:
        index = engine.tenant(_ORG)
        return lambda number: index.search(TextQuery(questions[number], allowed, _LIMIT))

    async with sqlite(folder) as record:
        normal = Fts5(record, NORMAL)
        await _asked("lexical, each word for the first time", asking(normal, _ALL), len(questions))
        reached = await _asked("lexical", asking(normal, _ALL), len(questions))
        await _asked("lexical, a tenth passes the filter", asking(normal, _TENTH), len(questions))
        best = await _asked("lexical, all scored", asking(Fts5(record, _EVERYTHING), _ALL), len(questions))
    _recall("lexical", reached, [[match.score for match in answer] for answer in best])


async def _vectors(folder: Path, vectors: Floats, questions: Sequence[str]) -> None:
    embedder = model()
    asked = np.stack([await embedder.query(question) for question in questions])
    async with sqlite(folder) as record:
        engine = Exact(record)
        await engine.prepare()
        index = engine.tenant(_ORG, embedder.model)
        puts = [PutVectors(UUID(int=n), 1, _facets(n), b"", vectors[n - 1 : n]) for n in range(1, len(vectors) + 1)]
        await _written("vectors", folder, puts, index.apply)

    def asking(engine: Exact, allowed: Filter) -> Ask:
        index = engine.tenant(_ORG, embedder.model)
        return lambda number: index.search(VectorQuery(asked[number], allowed, _LIMIT))

    async with sqlite(folder) as record:
        engine, memory, started = Exact(record), _resident(), clock()
        await asking(engine, _ALL)(0)
        _print("vectors: loading", f"{clock() - started:.2f} s, {_resident() - memory:.0f} MB")
        reached = await _asked("vectors", asking(engine, _ALL), len(questions))
        await _asked("vectors, a tenth passes the filter", asking(engine, _TENTH), len(questions))
    _recall("vectors", reached, [np.sort(vectors @ vector)[::-1][:_LIMIT].tolist() for vector in asked])


def _facets(number: int) -> Facets:
    return Facets(
        "memory", "own", frozenset({"state:active", f"category:{number % 10}", f"tag:{number % 500}"}), number
    )


async def _written(
    name: str, folder: Path, changes: Sequence[Change], apply: Callable[[Sequence[Change]], Awaitable[None]]
) -> None:
    started, used = clock(), time.process_time()
    for start in range(0, len(changes), _BATCH):
        await apply(changes[start : start + _BATCH])
    wall, cpu = ((span * 1_000 / len(changes)) for span in (clock() - started, time.process_time() - used))
    _print(f"{name}: writing", f"{wall:.3f} ms each, {cpu:.3f} ms of processor; {_size(folder):.0f} MB on disk")


async def _asked(name: str, ask: Ask, questions: int) -> list[list[Match]]:
    answers: list[list[Match]] = []
    spans: list[float] = []
    used = time.process_time()
    for number in range(questions):
        started = clock()
        answers.append(await ask(number))
        spans.append(clock() - started)
    cpu = (time.process_time() - used) * 1_000 / questions
    p50, p95, p99 = percentiles(spans)
    _print(name, f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms; {cpu:.1f} ms of processor")
    return answers


def _recall(name: str, reached: Sequence[Sequence[Match]], best: Sequence[Sequence[float]]) -> None:
    wanted = sum(len(scores) for scores in best)
    hits = sum(
        match.score >= scores[-1] - 1e-4 for answer, scores in zip(reached, best, strict=True) for match in answer
    )
    _print(f"{name}: recall@{_LIMIT}", f"{hits / wanted:.4f}")


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def _resident() -> float:
    return psutil.Process(os.getpid()).memory_info().rss / 1e6


def _print(name: str, value: str) -> None:
    print(f"{name:<42}{value}", flush=True)


if __name__ == "__main__":
    main()
