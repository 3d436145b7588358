"""`make run` on a fresh checkout: installs from the hashed locks, serves, and does not install again."""

import os
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.smoke.conftest import INSTALL
from tests.smoke.program import Program, connected, remember_and_recall, scripts, served


@pytest.mark.anyio
@pytest.mark.proves("RUN-1")
async def test_make_run_installs_and_serves(make: Path, data_dir: Path) -> None:
    assert "--require-hashes" in make_in(make, ".venv/.runtime")
    assert make_in(make, ".venv/.runtime").endswith("is up to date.\n")
    program = Program(scripts(make / ".venv") / "codingbrain", data_dir)
    async with served(["make", "run"], program.env, make) as origin:
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{origin}/health/live")).status_code == 200
        async with connected(origin, await program.token()) as client:
            await remember_and_recall(client)


def test_make_alone_lists_the_targets(make: Path) -> None:
    listed = {" ".join(line.split()[:2]) for line in make_in(make).splitlines()}
    assert {"make run", "make test", "make check"} <= listed


def make_in(checkout: Path, *targets: str) -> str:
    """What `make` says on the way to its targets; it is not the `make` that may have started this test."""
    command = ["make", "-C", str(checkout), "--no-print-directory", *targets]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | {"LC_ALL": "C"}
    ended = subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=INSTALL)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
