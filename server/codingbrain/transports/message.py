"""Bytes to one JSON-RPC 2.0 message, or to the error that answers them; what was sent is never repeated."""

from typing import cast

from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import from_json


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
    try:
        message = jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValidationError as fault:
        raise _explained(body, fault) from None
    if isinstance(message, JSONRPCNotification) and "id" in from_json(body):
        raise MalformedError(INVALID_REQUEST, "Invalid request: an id is a string or an integer.")
    return message


def _explained(body: bytes, fault: ValidationError) -> MalformedError:
    if fault.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == "json_invalid":
        return MalformedError(PARSE_ERROR, "Parse error: this is not JSON.")
    parsed: object = from_json(body)
    id_: object = cast("dict[str, object]", parsed).get("id") if isinstance(parsed, dict) else None
    known = id_ if isinstance(id_, str | int) and not isinstance(id_, bool) else None
    return MalformedError(INVALID_REQUEST, "Invalid request: this is not one JSON-RPC 2.0 message.", known)
