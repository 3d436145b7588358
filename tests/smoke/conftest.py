"""Installations to try out: the wheel in an environment of its own, the checkout, a copy of it, the MCP inspector."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import ROOT, tracked
from tests.smoke.inspector import Inspector
from tests.smoke.program import Program, scripts

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
def installation(environment: Path, data_dir: Path) -> Program:
    """The installed wheel's program, with an empty home."""
    return Program(scripts(environment) / "codingbrain", data_dir)


@pytest.fixture
def program(data_dir: Path) -> Program:
    """The checkout's program, with an empty home."""
    return Program(scripts(Path(sys.prefix)) / "codingbrain", data_dir)


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
