"""From the start of a process to its first tool answer (RUN-3)."""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.bench.figure import Figure
from tests.bench.floor import TOOL, floor
from tests.bench.server import PROGRAM, command, environment, started
from tests.bench.stdio import Stdio
from tests.bench.wire import Address, Client, clock

STARTS: Final = 5
_CALL: Final = ("whoami", {})


def measure(starts: int = STARTS) -> list[Figure]:
    """The median of so many starts each, in milliseconds; the reference is the bare SDK over HTTP."""
    reference = _median(_floor, starts)
    ways = {"serve": _serve, "mcp, first client": _cold, "mcp, further client": _warm}
    return [
        Figure(f"start to first answer: {name}", _median(way, starts), "ms", reference, "bare SDK server's start")
        for name, way in ways.items()
    ]


def _median(once: Callable[[], float], starts: int) -> float:
    return statistics.median(once() for _ in range(starts)) * 1_000


def _floor() -> float:
    began = clock()
    with floor(Path.cwd()) as server, Client(server.address) as client:
        client.call(TOOL, {"text": "x"})
        return clock() - began


def _serve() -> float:
    with _directory() as data:
        token = command(data, "token", "issue", "--client", "bench").split()[-1]
        command(data, "stop")
        began = clock()
        with (
            started([*PROGRAM, "serve"], environment(data)) as (_, host, port),
            Client(Address(host, port, token)) as client,
        ):
            client.call(*_CALL)
            return clock() - began


def _cold() -> float:
    with _directory() as data:
        return _stdio(data)


def _warm() -> float:
    with _directory() as data, Stdio([*PROGRAM, "mcp"], environment(data)) as first:
        first.call(*_CALL)
        return _stdio(data)


def _stdio(data: Path) -> float:
    began = clock()
    with Stdio([*PROGRAM, "mcp"], environment(data)) as client:
        client.call(*_CALL)
        return clock() - began


@contextmanager
def _directory() -> Iterator[Path]:
    """An empty data directory whose host is ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="cb-") as folder:
        data = Path(folder) / "data"
        try:
            yield data
        finally:
            command(data, "stop")
