"""Tool calls as four kinds of client make them: each transport in each era, over raw sockets, with a stated token."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

Transport = Literal["http", "sse"]
Era = Literal["modern", "legacy"]

WAIT: Final = 30.0
MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
META: Final = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
JSON: Final = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
HELLO: Final = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "matrix", "version": "1"}}


@dataclass(frozen=True, slots=True)
class Refused:
    """The door answered: a status, an error code and the challenges."""

    status: int
    code: str
    challenges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The tool answered, with a result or a failure of its own."""

    failed: bool
    content: Mapping[str, Any] = field(default_factory=dict)


Outcome = Refused | Answered


class Caller(Protocol):
    """A connected client."""

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Outcome:
        """Call a tool."""
        ...


@contextmanager
def calling(origin: str, token: str, transport: Transport, era: Era) -> Iterator[Caller]:
    """A client until the block ends."""
    parts = urlsplit(origin)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=WAIT)
    headers = {**JSON, "Authorization": f"Bearer {token}"}
    try:
        if transport == "sse":
            stream = HTTPConnection(parts.hostname or "", parts.port, timeout=WAIT)
            try:
                yield _Sse(connection, stream, headers, era)
            finally:
                stream.close()
        elif era == "modern":
            yield _Modern(connection, headers)
        else:
            with _legacy(connection, headers) as caller:
                yield caller
    finally:
        connection.close()


class _Modern:
    """Streamable HTTP, 2026-07-28: every request stands alone."""

    def __init__(self, connection: HTTPConnection, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self._headers = {**headers, "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call"}

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Outcome:
        headers = {**self._headers, "Mcp-Name": tool}
        status, answer = _post(self._connection, "/mcp", headers, _request(1, tool, arguments, modern=True))
        return _refused(status, answer) if status >= 400 else _answered(_message(answer))


class _Legacy:
    """Streamable HTTP, 2025-11-25, within a session."""

    def __init__(self, connection: HTTPConnection, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self._headers = headers

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Outcome:
        body = _request(2, tool, arguments, modern=False)
        status, answer = _post(self._connection, "/mcp", self._headers, body)
        return _refused(status, answer) if status >= 400 else _answered(_message(answer))


@contextmanager
def _legacy(connection: HTTPConnection, headers: Mapping[str, str]) -> Iterator[_Legacy]:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    status, answer = _post(connection, "/mcp", headers, hello)
    assert status == 200, answer.body
    own = {**headers, "MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": answer.fields["mcp-session-id"]}
    _post(connection, "/mcp", own, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    try:
        yield _Legacy(connection, own)
    finally:
        connection.request("DELETE", "/mcp", headers=own)
        connection.getresponse().read()


class _Sse:
    """HTTP+SSE: answers come on a stream of their own."""

    def __init__(
        self, connection: HTTPConnection, stream: HTTPConnection, headers: Mapping[str, str], era: Era
    ) -> None:
        self._connection = connection
        self._headers = headers
        self._modern = era == "modern"
        stream.request("GET", "/sse", headers=headers)
        self._stream = stream.getresponse()
        assert self._stream.status == 200
        self._path = self._event()
        if not self._modern:
            self._say({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO})
            self._event()
            self._say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Outcome:
        status, answer = self._say(_request(1, tool, arguments, modern=self._modern))
        return _refused(status, answer) if status >= 400 else _answered(json.loads(self._event()))

    def _say(self, message: Mapping[str, Any]) -> "tuple[int, _Reply]":
        return _post(self._connection, self._path, self._headers, message)

    def _event(self) -> str:
        while not (line := self._stream.readline()).startswith(b"data: "):
            assert line, "the stream ended"
        return line.removeprefix(b"data: ").decode().strip()


@dataclass(frozen=True, slots=True)
class _Reply:
    body: bytes
    fields: Mapping[str, str]
    challenges: tuple[str, ...]


def _post(
    connection: HTTPConnection, path: str, headers: Mapping[str, str], message: Mapping[str, Any]
) -> tuple[int, _Reply]:
    connection.request("POST", path, json.dumps(message).encode(), dict(headers))
    response: HTTPResponse = connection.getresponse()
    fields = {name.lower(): value for name, value in response.getheaders()}
    challenges = tuple(response.headers.get_all("WWW-Authenticate", []))
    return response.status, _Reply(response.read(), fields, challenges)


def _request(id_: int, tool: str, arguments: Mapping[str, Any], *, modern: bool) -> dict[str, Any]:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    return {
        "jsonrpc": "2.0",
        "id": id_,
        "method": "tools/call",
        "params": {**params, **({"_meta": META} if modern else {})},
    }


def _message(reply: _Reply) -> dict[str, Any]:
    if reply.fields["content-type"].startswith("text/event-stream"):
        return json.loads(reply.body.rpartition(b"data: ")[2].partition(b"\n")[0])
    return json.loads(reply.body)


def _answered(message: Mapping[str, Any]) -> Outcome:
    if "error" in message:
        return Answered(failed=True, content=message["error"])
    result = message["result"]
    return Answered(failed=bool(result.get("isError")), content=result["structuredContent"])


def _refused(status: int, reply: _Reply) -> Refused:
    return Refused(status, json.loads(reply.body)["error"]["code"], reply.challenges)
