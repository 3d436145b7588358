"""Starting a host that outlives its starter, and hearing whether it came up."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from codingbrain.errors import CodingbrainError, HostFailedError
from codingbrain.host import wire
from codingbrain.host.layout import Layout

MAX_LOG: Final = 1_048_576
"""Bytes of a host's log; the log before it is kept as well."""

_DETACHED: Final = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""Windows' counterpart of a new session."""

_children: Final[list[subprocess.Popen[bytes]]] = []
"""Hosts that this process started; holding them lets `subprocess` reap one that ended when the next is started."""


def launch(layout: Layout) -> None:
    """Start a host for the data directory and return once it listens.

    The host's standard output is a pipe that carries one status line; what it logs goes to a file.

    Raises:
        CodingbrainError: why the host gave up, or HostFailedError if it did not say.
    """
    # -P: the working directory, which may be anyone's project, is no place to import from.
    command = [sys.executable, "-P", "-m", "codingbrain.cli.entry", "host", "--data-dir", str(layout.root)]
    try:
        log = _log(layout.log)
        try:
            child = _start(command, layout.root, log)
        finally:
            os.close(log)
    except OSError as error:
        message = f"no host process can be started for {layout.root}: {error.strerror}"
        raise HostFailedError(message) from None
    _children.append(child)
    if (failure := _outcome(child, layout.log)) is not None:
        raise failure


def _start(command: list[str], where: Path, log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - it is this program
        command,
        cwd=where,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
        creationflags=_DETACHED,
    )


def _log(path: Path) -> int:
    with contextlib.suppress(OSError):
        if path.stat().st_size > MAX_LOG:
            path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _outcome(child: subprocess.Popen[bytes], log: Path) -> CodingbrainError | None:
    assert child.stdout is not None  # noqa: S101 - it was asked for
    with child.stdout as pipe:
        line = pipe.readline()
    match wire.decode(line) if line else {}:
        case {"ready": True}:
            return None
        case {"error": told}:
            return wire.failure(told)
        case _:
            return HostFailedError(f"the host process broke before it served; {log} says why")
