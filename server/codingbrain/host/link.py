"""A front's end of a connection to the host."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

_CHUNK: Final = 65_536


class Link:
    """A blocking socket as lines; one thread may read while another sends."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._rest = b""

    def patience(self, seconds: float | None) -> None:
        """How long a read or a send may take; None waits for ever."""
        self._socket.settimeout(seconds)

    def send(self, line: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: the host is gone; how much it got is unknown.
        """
        self._socket.sendall(line)

    def line(self) -> bytes:
        """The next line with its end; empty when the host is gone, and what follows the last end is dropped."""
        parts = [self._rest]
        while (end := parts[-1].find(b"\n")) < 0:
            try:
                chunk = self._socket.recv(_CHUNK)
            except OSError:
                chunk = b""
            if not chunk:
                return b""
            parts.append(chunk)
        last = parts.pop()
        self._rest = last[end + 1 :]
        return b"".join([*parts, last[: end + 1]])

    def lines(self) -> Iterator[bytes]:
        """Every line until the host is gone."""
        return iter(self.line, b"")

    def finish(self) -> None:
        """Say that nothing more will be sent; the host answers what it has and hangs up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """End a read that another thread is in."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
