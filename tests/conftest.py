"""What every test may ask for."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("house", deadline=None, derandomize=True)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop that codingbrain runs on."""
    return "asyncio"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A private empty directory; its path is short, since a local socket's address holds about 100 bytes."""
    path = Path(tempfile.mkdtemp(prefix="cb-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write what a test proves into its suite's JUnit report."""
    for item in items:
        for mark in item.iter_markers("proves"):
            item.user_properties += [("proves", each) for each in mark.args]
