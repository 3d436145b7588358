"""What a front remembers of a conversation, so that it can go on with another host."""

import json
from dataclasses import dataclass
from typing import Final, cast

INITIALIZE: Final = "initialize"
INITIALIZED: Final = "notifications/initialized"

_CANCELLED: Final = "notifications/cancelled"

_UNENDING: Final = frozenset({"subscriptions/listen"})
"""Requests that are answered only when the connection ends; nobody waits for them."""


@dataclass(frozen=True, slots=True)
class Message:
    """As much of a JSON-RPC message as a front looks at; `key` is its id, spelled so that 1, "1" and true differ."""

    method: str | None = None
    key: str | None = None
    id: object = None
    cancels: str | None = None
    failed: bool = False

    @property
    def is_request(self) -> bool:
        """Whether somebody waits for an answer."""
        return self.method is not None and self.key is not None

    @property
    def is_work(self) -> bool:
        """Whether it starts something, rather than ends or answers something that a host has begun."""
        return self.method is not None and self.cancels is None


def parse(line: bytes) -> Message:
    """Look at one line.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        value: object = json.loads(line)
    except RecursionError:
        message = "nested too deeply"
        raise ValueError(message) from None
    if not isinstance(value, dict):
        return Message()
    fields = cast("dict[str, object]", value)
    method = fields.get("method")
    params = fields.get("params")
    cancels = cast("dict[str, object]", params).get("requestId") if isinstance(params, dict) else None
    return Message(
        method if isinstance(method, str) else None,
        json.dumps(fields["id"]) if "id" in fields else None,
        fields.get("id"),
        json.dumps(cancels) if method == _CANCELLED else None,
        "error" in fields,
    )


class Ledger:
    """The handshake and the requests in flight of one client; not thread-safe."""

    def __init__(self) -> None:
        self._flights: dict[str, Message] = {}
        self._handshake: dict[str, bytes] = {}

    def sent(self, message: Message, line: bytes) -> None:
        """The client's message goes to the host now."""
        if message.method in {INITIALIZE, INITIALIZED}:
            self._handshake[message.method] = line
        if message.is_request and message.key is not None:
            self._flights[message.key] = message
        if message.cancels is not None:
            # Whether a cancelled request is answered is up to the server.
            self._flights.pop(message.cancels, None)

    def received(self, message: Message) -> None:
        """The host's message has reached the client."""
        if message.method is None and message.key is not None:
            answered = self._flights.pop(message.key, None)
            if answered is not None and answered.method == INITIALIZE and message.failed:
                self._handshake.clear()

    @property
    def settled(self) -> bool:
        """Whether no answer is worth waiting for."""
        return all(message.method in _UNENDING for message in self._flights.values())

    def handshake(self) -> tuple[bytes, ...]:
        """The lines with which the client opened; none in the era without a handshake."""
        return tuple(self._handshake.values())

    def lose(self, *, opening: bool = False) -> list[Message]:
        """The requests that no host will answer; without `opening`, the next host answers the opening one."""
        kept = {key: each for key, each in self._flights.items() if each.method == INITIALIZE and not opening}
        lost = [each for key, each in self._flights.items() if key not in kept]
        self._flights = kept
        return lost

    @property
    def opening(self) -> bool:
        """Whether the client still waits for the answer to its opening request."""
        return any(message.method == INITIALIZE for message in self._flights.values())
