"""The stdio side of one client: a pump between its pipes and the host, which outlives the host.

Standard library only, and two threads: one carries the client's lines up; the main one brings the host's lines down,
and finds the next host when the one that it listens to is gone.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

from codingbrain.errors import CodingbrainError, HostFailedError, HostLostError, LimitExceededError
from codingbrain.host import wire
from codingbrain.host.ledger import Ledger, Message, parse
from codingbrain.host.lines import LONGEST, split
from codingbrain.host.link import Link
from codingbrain.host.reach import Welcome

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
NO_HOST: Final = -32010
"""JSON-RPC 2.0, section 5.1; the last is one of those that are an implementation's own."""

_LOSSES: Final = 5
"""Hosts that may be lost one after the other, each within `_STEADY` seconds and without one answer."""

_STEADY: Final = 60.0

_WAIT: Final = 10.0
"""Seconds for which a front without a host waits for a request to answer."""

_LINGER: Final = 1.0
"""Seconds for which it goes on answering after the first."""

_DRAIN: Final = 8.0
"""Seconds for the host to answer what it has after the client has left; longer than the host takes for it."""

_CHUNK: Final = 65_536


class Front:
    """One client, from its first line to the end of its input."""

    def __init__(self, enter: Callable[[], Welcome], source: int, sink: int) -> None:
        """`enter` connects to a host, starting one if need be; `source` and `sink` are file descriptors."""
        self._enter = enter
        self._source = source
        self._sink = sink
        self._writing = threading.Lock()
        self._state = threading.Condition()
        # What follows is shared by the two threads and changes under `_state`.
        self._ledger = Ledger()
        self._host: Welcome | None = None
        self._retiring = False
        self._wanted = False
        self._closing = False
        self._failure: CodingbrainError | None = None
        self._told = False

    def run(self) -> None:
        """Serve until the client closes its side.

        Raises:
            CodingbrainError: no host could be had; `refuse` tells the client.
        """
        threading.Thread(target=self._up, daemon=True).start()
        losses = 0
        while not self._closing:
            host = self._enter()
            began = time.monotonic()
            answered = self._adopt(host) and self._pump(host.link)
            self._part(host.link)
            losses = 0 if answered or time.monotonic() - began > _STEADY else losses + 1
            if losses == _LOSSES:
                raise HostFailedError("the host process ends again and again; see host.log in the data directory")

    def refuse(self, error: CodingbrainError) -> None:
        """Answer what the client asks for with the reason why nothing works, for a moment."""
        with self._state:
            self._failure = error
            lost = self._ledger.lose(opening=True)
            self._told = bool(lost)
            self._state.notify_all()
        for message in lost:
            self._reply(message, NO_HOST, error)
        with self._state:
            self._state.wait_for(lambda: self._told or self._closing, _WAIT)
            self._state.wait_for(lambda: self._closing, _LINGER)

    def _adopt(self, host: Welcome) -> bool:
        """Bring a new host to where the client is in its conversation; false if the host was lost meanwhile."""
        with self._state:
            handshake = self._ledger.handshake()
            opening = self._ledger.opening
        try:
            for line in handshake:
                host.link.send(line)
        except OSError:
            return False
        if handshake and not opening and not self._swallow(host.link, handshake[0]):
            return False
        with self._state:
            self._host = host
            self._wanted = False
            closing = self._closing
            self._state.notify_all()
        if closing:
            host.link.finish()
        return True

    def _swallow(self, link: Link, initialize: bytes) -> bool:
        """Read up to the answer to `initialize`, which the client has had from its first host."""
        key = parse(initialize).key
        for line in link.lines():
            message = parse(line)
            if message.method is None and message.key == key:
                return not message.failed
            if line == wire.RETIRING:
                return False
            self._tell(line)
        return False

    def _pump(self, link: Link) -> bool:
        """Bring lines down until the host is gone or has been left; whether there were any."""
        answered = False
        for line in link.lines():
            answered = True
            if line == wire.RETIRING:
                message = None
            else:
                self._tell(line)
                message = parse(line)
            if self._may_leave(message):
                break
        return answered

    def _may_leave(self, message: Message | None) -> bool:
        """Note what came down, None for the host's wish to step down; whether nothing more is expected of it."""
        with self._state:
            if message is None:
                self._retiring = True
            else:
                self._ledger.received(message)
            return self._retiring and self._ledger.settled

    def _part(self, link: Link) -> None:
        """Leave the host; after one that stepped down, wait until the client needs another."""
        with self._state:
            self._host = None
            retired, self._retiring = self._retiring, False
            lost = self._ledger.lose()
        link.close()
        error = HostLostError("the host process ended before it answered; the call may or may not have taken effect")
        for message in lost:
            self._reply(message, NO_HOST, error)
        with self._state:
            self._state.wait_for(lambda: not retired or self._wanted or self._closing or self._ledger.opening)

    def _up(self) -> None:
        for line in split(self._read):
            if line.strip():
                self._carry(line)
        self._leave()

    def _read(self) -> bytes:
        try:
            return os.read(self._source, _CHUNK)
        except OSError:
            return b""

    def _leave(self) -> None:
        with self._state:
            self._closing = True
            host = self._host
            self._state.notify_all()
        if host is not None:
            host.link.finish()
            with self._state:
                self._state.wait_for(lambda: self._host is None, _DRAIN)
            host.link.abort()

    def _gone(self) -> None:
        """The client does not listen any more; what is still to come is of no use."""
        with self._state:
            self._closing = True
            host = self._host
            self._state.notify_all()
        if host is not None:
            host.link.abort()

    def _carry(self, line: bytes) -> None:
        try:
            message = parse(line)
        except ValueError:
            self._reply(Message(), *_unreadable(line))
            return
        while (host := self._board(message, line)) is not None:
            try:
                host.link.send(line)
            except OSError:
                if message.is_request:
                    return  # the main thread answers the requests of a lost host
            else:
                return

    def _board(self, message: Message, line: bytes) -> Welcome | None:
        """The host to send to, once one takes new work; None if the message has been answered here."""

        def ready() -> bool:
            return self._failure is not None or not (self._host is None or (self._retiring and message.is_work))

        with self._state:
            if not ready():
                self._wanted = True
                self._state.notify_all()
                self._state.wait_for(ready)
            host, failure = self._host, self._failure
            if failure is None and host is not None and len(line) <= host.limit:
                self._ledger.sent(message, line)
                return host
        if failure is not None:
            self._explain(message, failure)
        elif host is not None:
            self._reply(message, INVALID_REQUEST, _too_long(host.limit))
        return None

    def _explain(self, message: Message, failure: CodingbrainError) -> None:
        if not message.is_request:
            return
        self._reply(message, NO_HOST, failure)
        with self._state:
            self._told = True
            self._state.notify_all()

    def _reply(self, message: Message, code: int, error: CodingbrainError | str) -> None:
        fields: wire.Fields = {"code": code, "message": str(error)}
        if isinstance(error, CodingbrainError):
            fields["data"] = {"code": error.code, "retryable": error.retryable}
        self._tell(wire.encode({"jsonrpc": "2.0", "id": message.id if message.is_request else None, "error": fields}))

    def _tell(self, line: bytes) -> None:
        rest = memoryview(line)
        with self._writing:
            while rest:
                try:
                    rest = rest[os.write(self._sink, rest) :]
                except OSError:
                    self._gone()
                    return


def _unreadable(line: bytes) -> tuple[int, CodingbrainError | str]:
    if len(line) > LONGEST:
        return INVALID_REQUEST, _too_long(LONGEST)
    return PARSE_ERROR, "Parse error: the line is not JSON."


def _too_long(limit: int) -> CodingbrainError:
    return LimitExceededError(f"a message may have at most {limit} bytes; send less at once")
