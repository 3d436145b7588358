"""The socket that a host listens on: private and local, or loopback TCP with a key where there are no local sockets."""

import hashlib
import json
import os
import secrets
import socket
import stat
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Final

from codingbrain.errors import StorageError
from codingbrain.host.endpoint import Endpoint
from codingbrain.host.layout import Layout

_LONGEST: Final = 100
"""Bytes of a local socket's path that every platform takes (macOS: 103)."""

_BACKLOG: Final = 128


def listen(layout: Layout, *, local: bool = hasattr(socket, "AF_UNIX")) -> tuple[socket.socket, Endpoint]:
    """A listening socket and how to reach it; `local` is false where only TCP is to be had.

    The caller holds the host lock: a socket file that is in the way belongs to a dead host.
    """
    if not local:
        listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        return listener, Endpoint(os.getpid(), port=listener.getsockname()[1], key=secrets.token_hex(32))
    path = _place(layout)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(_BACKLOG)
    return listener, Endpoint(os.getpid(), path=str(path))


def _clear(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} is in the way and cannot be removed: {error.strerror}") from None


def publish(layout: Layout, endpoint: Endpoint) -> None:
    """Write the endpoint file, whole or not at all, for the owner only."""
    fresh = layout.endpoint.with_suffix(".new")
    _clear(fresh)
    _clear(layout.endpoint)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(endpoint), file)
    fresh.replace(layout.endpoint)


def withdraw(layout: Layout, endpoint: Endpoint) -> None:
    """Remove what `listen` and `publish` made; only the holder of the host lock may."""
    layout.endpoint.unlink(missing_ok=True)
    if endpoint.path:
        Path(endpoint.path).unlink(missing_ok=True)


def _place(layout: Layout) -> Path:
    if len(os.fsencode(layout.socket)) <= _LONGEST:
        return layout.socket
    name = hashlib.sha256(os.fsencode(layout.root)).hexdigest()[:16]
    runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(runtime) / f"codingbrain-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        message = f"{folder} must be a folder that only you may enter; remove it, or choose a shorter data directory"
        raise StorageError(message)
    return folder / f"{name}.sock"
