"""The host process: it owns a data directory and serves every front, and HTTP if asked to, until it is told to stop."""

import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketListener, TaskGroup
from loguru import logger
from mcp.server.lowlevel import Server
from starlette.types import ASGIApp

from codingbrain import clock
from codingbrain.errors import CodingbrainError
from codingbrain.host import wire
from codingbrain.host.address import listen, publish, withdraw
from codingbrain.host.clients import Clients
from codingbrain.host.control import About, Control
from codingbrain.host.layout import Layout
from codingbrain.host.listener import Reception
from codingbrain.host.trim import keep_short
from codingbrain.host.web import Web, url
from codingbrain.release import VERSION
from codingbrain.runtime import Runtime, open_runtime
from codingbrain.settings import Settings
from codingbrain.telemetry.logs import Logs, open_logs
from codingbrain.telemetry.metrics import Metrics
from codingbrain.transports import local

try:
    import uvloop
except ImportError:
    uvloop = None

DRAIN_SECONDS: Final = 10.0
"""How long fronts may wait for answers after the host was told to stop."""

_RELIEF_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Http:
    """What an operator's host serves besides: the application of a runtime and its MCP server, on this socket."""

    bound: socket.socket
    build: Callable[[Runtime, Server[Any]], ASGIApp]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a host is to do; the caller holds the host lock of `layout`.

    `protocol` makes the MCP server of a runtime; `listening` is called once connections are accepted. A host with
    `http` is an operator's: it does not end for want of clients.
    """

    settings: Settings
    layout: Layout
    protocol: Callable[[Runtime], Server[Any]]
    listening: Callable[[], None]
    http: Http | None = None


def run(plan: Plan) -> None:
    """Serve until told to stop, then drain and close everything.

    Raises:
        CodingbrainError: the data directory cannot be served.
    """
    os.umask(0o077)
    try:
        anyio.run(_open, plan, backend_options={"use_uvloop": uvloop is not None})
    except BaseExceptionGroup as group:
        if (known := group.subgroup(CodingbrainError)) is None:
            raise
        raise _first(known) from group


async def _open(plan: Plan) -> None:
    settings = plan.settings
    exporting = settings.otlp_endpoint
    with open_logs(settings.log_level, settings.log_format, otlp_endpoint=exporting, version=VERSION) as logs:
        # Clients use the address that was bound, unless they are told of another.
        origin = settings.public_url or (url(plan.http.bound) if plan.http else None)
        async with open_runtime(settings, Metrics(VERSION), origin=origin) as runtime:
            await _serve(plan, runtime, logs)
        logger.info("the host has ended")


async def _serve(plan: Plan, runtime: Runtime, logs: Logs) -> None:
    server, stop, clients = plan.protocol(runtime), anyio.Event(), Clients()
    kind = wire.SERVE if plan.http else wire.SPAWNED
    about = About(os.getpid(), kind, url(plan.http.bound) if plan.http else None, clock.now())
    control = Control(runtime, logs, clients, about, stop)

    async def serve(stream: ByteStream) -> None:
        whoever = runtime.authenticator.local
        await local.serve(stream, server, whoever, None, max_line=plan.settings.max_body_bytes)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_heed_signals, stop)
        web = await _start_web(plan.http, runtime, server, tasks)
        if web is None:
            tasks.start_soon(_end_unused, clients, plan.settings.idle_seconds, stop)
            tasks.start_soon(keep_short, plan.layout.log)
        reception = Reception(kind, plan.settings.max_body_bytes, clients, serve, control)
        async with _listening(plan.layout, reception, tasks):
            logger.info("the host serves {}", plan.layout.root)
            plan.listening()
            await stop.wait()
        await _drain(clients, web)
        tasks.cancel_scope.cancel()


async def _start_web(http: Http | None, runtime: Runtime, server: Server[Any], tasks: TaskGroup) -> Web | None:
    if http is None:
        return None
    web = Web(http.build(runtime, server), http.bound, behind_proxy=runtime.settings.behind_proxy)
    await tasks.start(web.run_until_told)
    return web


@asynccontextmanager
async def _listening(layout: Layout, reception: Reception, tasks: TaskGroup) -> AsyncGenerator[None]:
    bound, endpoint = listen(layout)
    async with await SocketListener.from_socket(bound) as listener:
        tasks.start_soon(_accept, listener, reception, endpoint.key, tasks)
        publish(layout, endpoint)
        try:
            yield
        finally:
            withdraw(layout, endpoint)


async def _accept(listener: SocketListener, reception: Reception, key: str, tasks: TaskGroup) -> None:
    while True:
        try:
            await listener.serve(lambda stream: reception.receive(stream, key), tasks)
        except anyio.ClosedResourceError:
            return
        except anyio.BrokenResourceError:
            # The process has too many files open; some will be closed.
            logger.warning("a connection could not be accepted")
            await anyio.sleep(_RELIEF_SECONDS)


async def _drain(clients: Clients, web: Web | None) -> None:
    if web is not None:
        web.should_exit = True
    with anyio.move_on_after(DRAIN_SECONDS):
        await clients.dismiss(wire.RETIRING)
        if web is not None:
            await web.ended.wait()
    # Fronts whose calls take longer learn that the host is lost, rather than a cancelled call's answer.
    await clients.hang_up()


async def _heed_signals(stop: anyio.Event) -> None:
    """Stop at the first signal; a second one does not wait for anybody. Windows has Ctrl-C only, which cancels all."""
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            if stop.is_set():
                os._exit(1)
            stop.set()


async def _end_unused(clients: Clients, seconds: float, stop: anyio.Event) -> None:
    await clients.absent(seconds)
    logger.info("no client for {:g} s", seconds)
    stop.set()


def _first(group: BaseExceptionGroup[CodingbrainError]) -> CodingbrainError:
    failure: CodingbrainError | BaseExceptionGroup[CodingbrainError] = group
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
