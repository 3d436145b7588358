"""Search latency over a large corpus of one org."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.figure import Figure
from tests.bench.floor import TOOL, floor
from tests.bench.load import Load, Operation, run
from tests.bench.server import Server
from tests.bench.wire import CallError, Client, clock

_ALONE: Final = 400
_CROWD: Final = 1_600
_CLIENTS: Final = 8
_SEED_SECONDS: Final = 3_600
_WARM_SECONDS: Final = 120


def references(folder: Path) -> tuple[Load, Load, float]:
    """The bare SDK server at one and at eight clients, and its resident megabytes."""
    with floor(folder) as server:
        alone, crowd = (run(server, _nothing, clients, 2_000) for clients in (1, _CLIENTS))
        return alone, crowd, server.usage.rss()


def seed(data: Path, size: int) -> None:
    """Fill a data directory, in a process of its own.

    Raises:
        CalledProcessError: it failed.
    """
    line = [sys.executable, "-m", "tests.bench.seed", str(data), str(size)]
    subprocess.run(line, cwd=Path(__file__).parents[2], timeout=_SEED_SECONDS, check=True)


def warmed(server: Server, question: str, size: int, data: Path) -> Figure:
    """Ask until no lane is missing: how long a restarted server gives less than it could."""
    began = clock()
    with Client(server.address) as client:
        while (answer := client.call("search_memory", {"query": question}))["degraded"]:
            if clock() - began > _WARM_SECONDS:
                raise TimeoutError(f"a lane is still missing after {_WARM_SECONDS} s")
    if not any("vector" in hit["why"] for hit in answer["hits"]):
        raise CallError(f"the vectors in {data} are not those of this release; remove the folder to seed it anew")
    span = (clock() - began) * 1_000
    return Figure(f"search {size}: first complete answer", span, "ms", _read(data), "reading the data directory")


def measure(server: Server, questions: Sequence[str], size: int, alone: Load, crowd: Load) -> list[Figure]:
    """Latencies and the server's processor time at one and at eight clients."""
    asking = _asking(questions)
    one = run(server, asking, 1, _ALONE)
    many = run(server, asking, _CLIENTS, _CROWD)
    return [*_figures(f"search {size}, 1 client", one, alone), *_figures(f"search {size}, 8 clients", many, crowd)]


def _figures(name: str, seen: Load, floor: Load) -> list[Figure]:
    return [
        Figure(f"{name}: p50", seen.p50, "ms", floor.p50, "bare SDK p50, same clients"),
        Figure(f"{name}: p95", seen.p95, "ms", floor.p50, "bare SDK p50, same clients"),
        Figure(f"{name}: p99", seen.p99, "ms", floor.p50, "bare SDK p50, same clients", gated=False),
        Figure(f"{name}: rate", seen.rate, "1/s", floor.rate, "bare SDK rate, same clients", more=True),
        Figure(f"{name}: server CPU", seen.cpu, "ms/call", floor.cpu, "bare SDK CPU, same clients"),
    ]


def _asking(questions: Sequence[str]) -> Operation:
    def ask(client: Client, number: int) -> None:
        answer = client.call("search_memory", {"query": questions[number % len(questions)]})
        if answer["degraded"]:
            raise CallError(f"a lane is missing: {answer['lanes']}")

    return ask


def _read(data: Path) -> float:
    """Milliseconds of reading every file of a folder once."""
    began = clock()
    for path in data.rglob("*"):
        if path.is_file():
            path.read_bytes()
    return (clock() - began) * 1_000


def _nothing(client: Client, number: int) -> None:
    client.call(TOOL, {"text": f"text {number}"})
