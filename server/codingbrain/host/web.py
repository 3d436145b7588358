"""HTTP beside the local socket: one uvicorn in the host's own loop, on a socket that was bound beforehand."""

import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import anyio
import uvicorn
from anyio.abc import TaskStatus
from starlette.types import ASGIApp

from codingbrain.errors import AddressInUseError, ConfigurationError
from codingbrain.host.heads import Heads

DRAIN_SECONDS: Final = 5
"""How long requests may finish after the server was told to stop; open streams end then."""

_BACKLOG: Final = 2_048


class Web(uvicorn.Server):
    """A server that leaves the signals to the host; `should_exit` tells it to stop."""

    def __init__(self, app: ASGIApp, bound: socket.socket, *, behind_proxy: bool) -> None:
        config = uvicorn.Config(
            app,
            http=Heads,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=behind_proxy,
            server_header=False,
            backlog=_BACKLOG,
            reset_contextvars=True,  # otherwise a pipelined request begins with what the one before it has set
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        super().__init__(config)
        self.ended = anyio.Event()
        self._bound = bound
        self._listening = anyio.Event()

    async def run_until_told(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve; started once requests are answered."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._report, task_status)
            await self.serve([self._bound])
            self._listening.set()
        self.ended.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, and say so."""
        await super().startup(sockets)
        self._listening.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave them alone."""
        yield

    async def _report(self, task_status: TaskStatus[None]) -> None:
        await self._listening.wait()
        task_status.started()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; connections wait in its backlog until they are served.

    Raises:
        AddressInUseError: another program has the port.
        ConfigurationError: the address cannot be had.
    """
    try:
        # The event loop turns Nagle's algorithm off only for sockets that say that they are TCP; with it, an answer's
        # second packet waits 40 ms for the client's acknowledgement.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        _claim(bound, host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"{host} port {port} is taken; end the program that has it, or choose another with --port"
            raise AddressInUseError(message) from None
        raise ConfigurationError([f"host, port: {host} port {port} cannot be served: {error.strerror}"]) from None
    return bound


def url(bound: socket.socket) -> str:
    """Where a bound socket is reached."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _claim(bound: socket.socket, host: str, port: int) -> None:
    exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
    # On POSIX, SO_REUSEADDR passes over connections that linger; on Windows it would steal the port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if exclusive is None else exclusive, 1)
    try:
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
