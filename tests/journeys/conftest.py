"""Doors for the journeys: a client, and the command line, on a data directory of the test's own."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.journeys.program import Program
from tests.journeys.served import Served, Serving, serve

IDLE = "2"
"""Seconds for which a host waits for clients here."""


@pytest.fixture
async def command(data_dir: Path) -> AsyncIterator[Program]:
    """The command line; the host that it leaves behind is ended."""
    program = Program(data_dir / "data", {"idle_seconds": IDLE})
    yield program
    if program.hosts():
        await program.run("stop")
    for host in program.hosts():
        host.kill()


@pytest.fixture
def mcp_client(command: Program) -> Program:
    """What clients start: `mcp_client.client()` is an SDK client over stdio, `mcp_client.stdio()` raw lines."""
    return command


# --- HTTP: one instance for all tests, each with tokens of its own ---


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """A served instance, in this process."""
    with TemporaryDirectory(prefix="cb-") as folder, serve(Path(folder)) as instance:
        yield instance


@pytest.fixture
def http_client(served: Served) -> Served:
    """What HTTP users have: `http_client.http(token)` is a plain client, `http_client.mcp(...)` the SDK's."""
    return served


@pytest.fixture
def serving(data_dir: Path) -> Serving:
    """Serves the test's own data directory, with the settings that it gives; may be used one time after another."""
    return partial(serve, data_dir)
