"""Doors of the conformance tests: the official suite, and an instance with what the suite looks for."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conformance.fixture import application
from tests.conformance.suite import Suite
from tests.journeys.served import Served, serve

SESSIONS = 64
"""Concurrent ones: each scenario of 2025-11-25 opens its own and ends it."""


@pytest.fixture(scope="session")
def suite() -> Suite:
    """The official suite."""
    return Suite.fetched()


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """A served instance, in this process; the suite reaches it through a front."""
    with (
        TemporaryDirectory(prefix="cb-") as folder,
        serve(Path(folder), application=application, max_sessions=SESSIONS) as instance,
    ):
        yield instance
