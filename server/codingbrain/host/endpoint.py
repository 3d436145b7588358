"""Where a host listens, as its data directory tells it."""

import json
import socket
from dataclasses import dataclass

from codingbrain.host.layout import Layout


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A local socket at `path`, or loopback TCP at `port` with the `key` that a caller must show."""

    pid: int
    path: str = ""
    port: int = 0
    key: str = ""

    def dial(self, seconds: float) -> socket.socket:
        """Connect; the time limit stays on the socket.

        Raises:
            OSError: nobody listens there.
        """
        dialled = socket.socket(socket.AF_UNIX if self.path else socket.AF_INET, socket.SOCK_STREAM)
        dialled.settimeout(seconds)
        try:
            dialled.connect(self.path or ("127.0.0.1", self.port))
        except OSError:
            dialled.close()
            raise
        return dialled


def read(layout: Layout) -> Endpoint | None:
    """What the endpoint file says; None if there is none or it is damaged."""
    try:
        found: object = json.loads(layout.endpoint.read_bytes())
    except (OSError, ValueError):
        return None
    match found:
        case {"pid": int(pid), "path": str(path), "port": int(port), "key": str(key)}:
            return Endpoint(pid, path, port, key)
        case _:
            return None
