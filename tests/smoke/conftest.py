"""Doors of the smoke tests: the wheel in an environment of its own, a copy of the checkout, the MCP inspector."""

import shutil
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.house.sources import ROOT, tracked
from tests.journeys.conftest import command
from tests.journeys.program import Program
from tests.smoke.inspector import Inspector
from tests.smoke.recall import scripts

__all__ = ["command"]

INSTALL = 600
"""Seconds within which packages are fetched and installed."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution as a release is."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT))
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A virtual environment that holds the runtime lock and the wheel, nothing else."""
    where = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(where, with_pip=True)
    pip = (str(scripts(where) / "python"), "-m", "pip", "install", "--quiet")
    lock = ROOT / "docker" / "requirements.lock"
    run(*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    run(*pip, "--no-deps", "--no-index", str(wheel))
    yield where
    shutil.rmtree(where)


@pytest.fixture
async def installation(environment: Path, data_dir: Path) -> AsyncIterator[Program]:
    """The installed wheel's program; the host that it leaves behind is ended."""
    program = Program(data_dir / "data", program=(str(scripts(environment) / "codingbrain"),))
    yield program
    await program.run("stop")


@pytest.fixture
async def uvx(wheel: Path, data_dir: Path) -> AsyncIterator[Program]:
    """The wheel as clients start it through `uvx`, with the newest dependencies that its metadata allows."""
    line = (str(scripts(Path(sys.prefix)) / "uv"), "tool", "run", "--quiet", "--from", str(wheel), "codingbrain")
    run(*line, "--version")
    program = Program(data_dir / "data", program=line)
    yield program
    await program.run("stop")


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of what git holds, where `make` has not run yet."""
    copy = tmp_path_factory.mktemp("checkout")
    for path in tracked():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture(scope="session")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    """The MCP inspector."""
    return Inspector.fetched(tmp_path_factory.mktemp("inspector"))


def run(*command: str) -> None:
    """Run to the end, showing what the command says only if it fails."""
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL)
    assert ended.returncode == 0, ended.stdout + ended.stderr
