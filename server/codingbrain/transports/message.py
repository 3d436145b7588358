"""Bytes to one JSON-RPC 2.0 message, or to the error that answers them; what was sent is never repeated."""

import json
import re
from collections.abc import Mapping
from typing import Final, cast

from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import from_json

_NOT_ONE: Final = "Invalid request: this is not one JSON-RPC 2.0 message."

_HALF: Final = " hex escape at "
"""What pydantic's parser says of half of a surrogate pair."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""What no answer can repeat."""

_LARGE: Final = 1 << 16
"""Bytes of a body above which its faults are not looked into: what is refused must cost little."""

_OBJECT: Final = re.compile(rb"[ \t\r\n]*\{")

_IDS: Final = frozenset({str, int})
"""Types; `bool` is a number in Python only."""


class MalformedError(Exception):
    """The bytes are not one message; `reply` says so."""

    def __init__(self, code: int, message: str, id_: RequestId | None = None) -> None:
        super().__init__(message)
        self.reply = JSONRPCError(jsonrpc="2.0", id=id_, error=ErrorData(code=code, message=message))


def parse(body: bytes) -> JSONRPCMessage:
    """The message.

    Raises:
        MalformedError: the bytes are not JSON, or not one message; batches are not.
    """
    return _message(_read(body), len(body))


def peek(body: bytes) -> tuple[str, str | None]:
    """The method of the message, if it has one, and the tool that it calls, if it calls one.

    What is plainly one request is not built as a message: the transport behind does that again.

    Raises:
        MalformedError: as `parse` does.
    """
    parsed = _read(body)
    if type(parsed) is dict:
        plain = cast("dict[str, object]", parsed)
        method, params = plain.get("method"), plain.get("params")
        is_request = plain.get("jsonrpc") == "2.0" and type(plain.get("id")) in _IDS
        if is_request and type(method) is str and type(params) is dict:
            return method, _tool(method, cast("dict[str, object]", params))
    match _message(cast("object", parsed), len(body)):
        case JSONRPCRequest(method=method, params=params):
            return method, _tool(method, params or {})
        case JSONRPCNotification(method=method):
            return method, None
        case _:
            return "", None


def _tool(method: str, params: Mapping[str, object]) -> str | None:
    if method != "tools/call":
        return None
    name = params.get("name")
    return name if isinstance(name, str) else None


def _read(body: bytes) -> object:
    """The JSON; a large body that can be no message is not even parsed."""
    if len(body) > _LARGE and not _OBJECT.match(body):
        raise MalformedError(INVALID_REQUEST, _NOT_ONE)
    try:
        return from_json(body)
    except ValueError as fault:
        raise _unparsed(body, str(fault)) from None


def _message(parsed: object, size: int) -> JSONRPCMessage:
    """From what was parsed: validating bytes would copy them into each of a union's faults."""
    try:
        message = jsonrpc_message_adapter.validate_python(parsed, by_name=False)
    except ValidationError:
        raise MalformedError(INVALID_REQUEST, _NOT_ONE, _id_of(parsed) if size <= _LARGE else None) from None
    if isinstance(message, JSONRPCNotification) and "id" in cast("dict[str, object]", parsed):
        raise MalformedError(INVALID_REQUEST, "Invalid request: an id is a string or an integer.")
    return message


def _unparsed(body: bytes, fault: str) -> MalformedError:
    """Half of a surrogate pair is JSON to some clients, who cut a text within an emoji; they get their id back.

    Of a large body only what the parser says is known.
    """
    id_: RequestId | None = None
    if len(body) <= _LARGE:
        try:
            id_ = _id_of(json.loads(body))
        except (ValueError, RecursionError):
            return MalformedError(PARSE_ERROR, "Parse error: this is not JSON.")
    elif _HALF not in fault:
        return MalformedError(PARSE_ERROR, "Parse error: this is not JSON.")
    message = "Invalid params: a text holds half of a surrogate pair; cut texts between characters."
    return MalformedError(INVALID_PARAMS, message, id_)


def _id_of(parsed: object) -> RequestId | None:
    id_: object = cast("dict[str, object]", parsed).get("id") if isinstance(parsed, dict) else None
    if isinstance(id_, str):
        return None if _SURROGATE.search(id_) else id_
    return id_ if isinstance(id_, int) and not isinstance(id_, bool) else None
