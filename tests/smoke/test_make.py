"""`make run` on a fresh checkout: installs from the hashed locks, serves, and does not install again."""

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.journeys.program import START, Program
from tests.smoke.conftest import INSTALL
from tests.smoke.recall import connected, remember_and_recall, scripts


@pytest.mark.anyio
@pytest.mark.proves("RUN-1")
async def test_make_run_installs_and_serves(make: Path, data_dir: Path) -> None:
    assert "--require-hashes" in make_in(make, ".venv/.runtime")
    assert make_in(make, ".venv/.runtime").endswith("is up to date.\n")
    program = Program(data_dir / "data", program=(str(scripts(make / ".venv") / "codingbrain"),))
    async with running(make, program), connected(program) as client:
        await remember_and_recall(client)
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{(await program.status())['url']}/health/live")).status_code == 200


def test_make_alone_lists_the_targets(make: Path) -> None:
    listed = {" ".join(line.split()[:2]) for line in make_in(make).splitlines()}
    assert {"make run", "make test", "make check"} <= listed


@asynccontextmanager
async def running(checkout: Path, program: Program) -> AsyncIterator[None]:
    """`make run`, until the block ends."""
    line, out = ["make", "-C", str(checkout), "run"], subprocess.DEVNULL
    async with await anyio.open_process(line, env=program.env, stdout=out, stderr=out) as process:
        try:
            with anyio.fail_after(START):
                while (await program.run("status")).returncode:
                    pass
            yield
        finally:
            await program.run("stop")
            if process.returncode is None:
                process.terminate()


def make_in(checkout: Path, *targets: str) -> str:
    """What `make` says on the way to its targets; it is not the `make` that may have started this test."""
    command = ["make", "-C", str(checkout), "--no-print-directory", *targets]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | {"LC_ALL": "C"}
    ended = subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=INSTALL)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
