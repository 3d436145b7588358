"""The lines that a front and its host exchange before and beside the protocol of the client.

A connection opens with one JSON line from each side. With the role `mcp` the rest is newline-delimited JSON-RPC, except
that the host may say `RETIRING` once: it serves what it is sent until the front has moved on, and the front
sends it no new request. With the role `control` one request line is answered with one reply line.
"""

import json
from collections.abc import Mapping
from typing import Final, cast

from codingbrain.errors import CodingbrainError, ConfigurationError, InternalError

WIRE: Final = 1
"""Changes when an older front could not talk to a newer host."""

MCP: Final = "mcp"
CONTROL: Final = "control"

SPAWNED: Final = "spawned"
"""The kind of host that a front started; it ends with its last client and may be replaced."""

SERVE: Final = "serve"
"""The kind of host that an operator started; only the operator ends it."""

MAX_HELLO: Final = 65_536
"""Bytes of a line that is not the client's."""

RETIRING: Final = b'{"codingbrain":"retiring"}\n'

Fields = dict[str, object]


def encode(fields: Mapping[str, object]) -> bytes:
    """One line."""
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Fields:
    """The fields of a line.

    Raises:
        ValueError: the line is not a JSON object.
    """
    value: object = json.loads(line)
    if not isinstance(value, dict):
        message = "not a JSON object"
        raise ValueError(message)  # noqa: TRY004 - one exception for every malformed line
    return cast("Fields", value)


def fault(error: CodingbrainError) -> Fields:
    """An error as it travels between processes."""
    faults = {"faults": error.faults} if isinstance(error, ConfigurationError) else {}
    return {"code": error.code, "message": error.message, **faults}


def failure(told: object) -> CodingbrainError:
    """The error that `fault` described; a code that this release does not know becomes an internal error."""
    fields = cast("Fields", told) if isinstance(told, dict) else {}
    match fields:
        case {"code": ConfigurationError.code, "faults": faults}:
            return ConfigurationError([str(line) for line in cast("list[object]", faults)])
        case {"code": code, "message": str(message)}:
            return _family().get(str(code), InternalError)(message)
        case _:
            return InternalError("the host gave an answer that this release does not understand")


def _family() -> dict[str, type[CodingbrainError]]:
    found: dict[str, type[CodingbrainError]] = {}
    waiting = [CodingbrainError]
    while waiting:
        kind = waiting.pop()
        if kind is not ConfigurationError:
            found.setdefault(kind.code, kind)
        waiting += kind.__subclasses__()
    return found
