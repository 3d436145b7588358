"""Finding the host of a data directory, or starting it: exactly one starts, however many look for it at once."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from codingbrain.errors import CodingbrainError, HostFailedError, HostLostError, HostRunningError
from codingbrain.host import endpoint, wire
from codingbrain.host.layout import Layout
from codingbrain.host.link import Link
from codingbrain.host.lock import FileLock
from codingbrain.host.spawn import launch
from codingbrain.release import VERSION, order

Pause = Callable[[float], object]
"""Waits that many seconds."""

PATIENCE: Final = 30.0
"""Seconds for a host to come up or to give way; its drain and its start fit in."""

_LAUNCHES: Final = 3
_REPLY: Final = 5.0
_POLL: Final = 0.02


@dataclass(frozen=True, slots=True)
class Welcome:
    """A connection that a host accepted, and what the host said of itself; `limit` is the most bytes of one line."""

    link: Link
    version: str
    kind: str
    limit: int


@dataclass(frozen=True, slots=True)
class Reach:
    """The way to the host of one data directory, for a program of release `version`."""

    layout: Layout
    version: str = VERSION
    pause: Pause = threading.Event().wait

    def knock(self, role: str) -> Welcome | None:
        """Connect to the running host; None if there is none or it is about to end.

        Raises:
            HostMismatchError: it speaks another wire.
        """
        where = endpoint.read(self.layout)
        if where is None:
            return None
        try:
            link = Link(where.dial(_REPLY))
            link.send(wire.encode({"wire": wire.WIRE, "version": self.version, "role": role, "key": where.key}))
        except OSError:
            return None
        return _welcome(link)

    def enter(self, role: str) -> Welcome:
        """Connect to the host, after starting one if none runs; one that an older release started is replaced.

        Raises:
            CodingbrainError: HostFailedError, HostMismatchError, or what the host said on giving up.
        """
        launches = 0
        for _ in self._tries(HostFailedError("no host came up in time")):
            if (welcome := self._current(role)) is not None:
                return welcome
            with self._turn() as mine:
                # Another program may have had the turn between the knock and ours.
                if mine and not self._stands():
                    launches += 1
                    launch(self.layout)
            if launches > _LAUNCHES:
                raise HostFailedError(f"the host ends as soon as it has started; see {self.layout.log}")
        raise AssertionError  # pragma: no cover - the tries end in their error

    @contextmanager
    def turn(self) -> Generator[None]:
        """While the block runs, nobody else starts or replaces a host.

        Raises:
            HostRunningError: somebody else has the turn and does not finish.
        """
        for _ in self._tries(HostRunningError("another program is starting a host here and does not finish")):
            with self._turn() as mine:
                if mine:
                    yield
                    return

    def dismiss(self, *kinds: str) -> bool:
        """Ask the running host to step down; false if there was none. It holds its lock until it has drained.

        Raises:
            HostRunningError: the host is not of these kinds.
        """
        welcome = self.knock(wire.CONTROL)
        if welcome is None:
            return False
        if welcome.kind not in kinds:
            welcome.link.close()
            raise HostRunningError(f"`codingbrain serve` runs on {self.layout.root}; end it first (`codingbrain stop`)")
        ask(welcome.link, "retire")
        return True

    def inherit(self) -> FileLock:
        """The host's lock, once the host before has let go.

        Raises:
            HostRunningError: it does not.
        """
        lock = FileLock(self.layout.lock)
        for _ in self._tries(HostRunningError(f"another host has {self.layout.root} and does not let go")):
            if lock.acquire():
                break
        return lock

    def _current(self, role: str) -> Welcome | None:
        welcome = self.knock(role)
        if welcome is not None and self._outdated(welcome):
            welcome.link.close()
            return None
        return welcome

    def _stands(self) -> bool:
        welcome = self.knock(wire.CONTROL)
        if welcome is None:
            return False
        if self._outdated(welcome):
            ask(welcome.link, "retire")
            return False
        welcome.link.close()
        return True

    def _outdated(self, welcome: Welcome) -> bool:
        return welcome.kind == wire.SPAWNED and order(welcome.version) < order(self.version)

    @contextmanager
    def _turn(self) -> Generator[bool]:
        lock = FileLock(self.layout.turn)
        try:
            yield lock.acquire()
        finally:
            lock.release()

    def _tries(self, error: CodingbrainError) -> Iterator[None]:
        end = time.monotonic() + PATIENCE
        while True:
            yield
            if time.monotonic() > end:
                raise error
            self.pause(_POLL)


def ask(link: Link, method: str, **params: object) -> object:
    """One request on a control connection, which ends with it; returns the result.

    Raises:
        CodingbrainError: what the host answered, or HostLostError if it did not.
    """
    link.patience(PATIENCE)
    try:
        link.send(wire.encode({"method": method, "params": params}))
        line = link.line()
    except OSError:
        line = b""
    finally:
        link.close()
    match wire.decode(line) if line else {}:
        case {"result": result}:
            return result
        case {"error": told}:
            raise wire.failure(told)
        case _:
            raise HostLostError("the host ended before it answered; the command may or may not have taken effect")


def _welcome(link: Link) -> Welcome | None:
    line = link.line()
    match wire.decode(line) if line else {}:
        case {"version": str(version), "kind": str(kind), "limit": int(limit)}:
            link.patience(None)
            return Welcome(link, version, kind, limit)
        case {"error": told}:
            link.close()
            raise wire.failure(told)
        case _:
            link.close()
            return None
