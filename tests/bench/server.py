"""A server of its own for a measurement: a fresh process on a data directory and a free port."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.process import Usage
from tests.bench.wire import Address

PROGRAM: Final = (sys.executable, "-P", "-m", "codingbrain.cli.entry")

_ORIGIN = re.compile(rb"http://(127\.0\.0\.1):(\d+)")
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    address: Address
    usage: Usage

    @property
    def url(self) -> str:
        """Where MCP is spoken."""
        return f"http://{self.address.host}:{self.address.port}/mcp"


class ServerError(Exception):
    """The program did not start; the message is what it wrote."""


def environment(data: Path, **settings: str) -> dict[str, str]:
    """The variables of the system and ours, nothing that the caller's environment says about codingbrain."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODINGBRAIN_", "PYTHON"))}
    return (
        kept
        | {"CODINGBRAIN_DATA_DIR": str(data), "CODINGBRAIN_PORT": "0", "CODINGBRAIN_LOG_LEVEL": "WARNING"}
        | settings
    )


def command(data: Path, *arguments: str) -> str:
    """What a command prints.

    Raises:
        ServerError: it failed.
    """
    line, env = [*PROGRAM, *arguments], environment(data)
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=_START_SECONDS, check=False)
    if done.returncode:
        raise ServerError(done.stderr)
    return done.stdout


@contextmanager
def serving(data: Path, **settings: str) -> Iterator[Server]:
    """`codingbrain serve` until the block ends, with a token that may do everything with memories.

    Raises:
        ServerError: it did not come up.
    """
    with started([*PROGRAM, "serve"], environment(data, **settings)) as (process, host, port):
        token = command(data, "token", "issue", "--client", "bench").split()[-1]
        yield Server(Address(host, port, token), Usage(process.pid))


@contextmanager
def started(line: Sequence[str], env: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str, int]]:
    """Run a program until the block ends; gives it with the loopback address that it names on standard error.

    Raises:
        ServerError: it ended, or named none in time.
    """
    process = subprocess.Popen(
        line, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    drain = threading.Thread(target=_drain, args=[process], daemon=True)
    try:
        host, port = _announced(process)
        drain.start()
        yield process, host, port
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if drain.ident is not None:
            drain.join(_STOP_SECONDS)
        if process.stderr is not None:
            process.stderr.close()


def _announced(process: subprocess.Popen[bytes]) -> tuple[str, int]:
    assert process.stderr is not None
    patience = threading.Timer(_START_SECONDS, process.kill)
    patience.start()
    seen = b""
    try:
        for line in process.stderr:
            seen += line
            if (match := _ORIGIN.search(line)) is not None:
                return match[1].decode(), int(match[2])
    finally:
        patience.cancel()
    raise ServerError(seen.decode(errors="replace"))


def _drain(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr is not None
    for _ in process.stderr:
        pass
