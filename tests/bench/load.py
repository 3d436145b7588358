"""Concurrent clients, each with its own connection and thread, and what they saw."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tests.bench.server import Server
from tests.bench.wire import Address, Client, clock

Operation = Callable[[Client, int], None]
"""One call; the number is the call's own, from 0, over all clients."""


@dataclass(frozen=True, slots=True)
class Load:
    """Latencies in milliseconds, calls per second, and the server's processor milliseconds per call."""

    p50: float
    p95: float
    p99: float
    rate: float
    cpu: float


def run(server: Server, operation: Operation, clients: int, calls: int, warm: int = 20) -> Load:
    """`calls` operations, spread over `clients` that start together, after `warm` that do not count."""
    with Client(server.address) as client:
        for number in range(warm):
            operation(client, calls + number)
    barrier = threading.Barrier(clients + 1)
    with ThreadPoolExecutor(clients) as pool:
        shares = [range(first, calls, clients) for first in range(clients)]
        pending = [pool.submit(_client, server.address, operation, share, barrier) for share in shares]
        barrier.wait(60)
        cpu, started = server.usage.cpu(), clock()
        spans = [span for one in pending for span in one.result(600)]
        seconds, used = clock() - started, server.usage.cpu() - cpu
    return Load(*percentiles(spans), rate=calls / seconds, cpu=used * 1_000 / calls)


def percentiles(spans: Sequence[float]) -> tuple[float, float, float]:
    """The 50th, 95th and 99th percentile of seconds, in milliseconds."""
    p50, p95, p99 = np.percentile(np.asarray(spans) * 1_000, [50, 95, 99])
    return float(p50), float(p95), float(p99)


def _client(address: Address, operation: Operation, share: range, barrier: threading.Barrier) -> list[float]:
    spans: list[float] = []
    with Client(address) as client:
        barrier.wait(60)
        for number in share:
            started = clock()
            operation(client, number)
            spans.append(clock() - started)
    return spans
