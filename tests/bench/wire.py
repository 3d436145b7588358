"""The lightest possible MCP client: JSON-RPC over one kept-alive HTTP/1.1 connection, revision 2026-07-28.

It exists so that, on a machine with few processors, the load generator does not use up what it measures.
"""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from tests.proof import Prover

VERSION = "2026-07-28"

META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}


class CallError(Exception):
    """The server refused or failed a call; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the credential it wants; with a prover, the token is bound to its key."""

    host: str
    port: int
    token: str | None = None
    prover: Prover | None = None


class Client:
    """One connection, one request at a time."""

    def __init__(self, address: Address, timeout: float = 60.0) -> None:
        self._address = address
        self._socket = socket.create_connection((address.host, address.port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")
        self._id = 0
        self._nonce: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The structured content of a tool's answer.

        Raises:
            CallError: the call failed, in whatever way.
        """
        result = self.request("tools/call", {"name": tool, "arguments": arguments}, tool)
        if result.get("isError"):
            raise CallError(result["content"][0]["text"])
        return result.get("structuredContent") or {}

    def request(self, method: str, params: dict[str, Any], name: str | None = None) -> dict[str, Any]:
        """The result of any request.

        Raises:
            CallError: the server answered with an error.
        """
        self._id += 1
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": {**params, "_meta": META}}
        body = json.dumps(message).encode()
        self._socket.sendall(self._head(method, name, body) + body)
        status, answer = self._receive()
        if status == 401 and self._address.prover and self._id == 1:
            self._socket.sendall(self._head(method, name, body) + body)  # with the nonce that the refusal brought
            status, answer = self._receive()
        if status != 200 or "error" in answer:
            raise CallError(f"{status}: {answer.get('error', answer)}")
        return answer["result"]

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a plain GET."""
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n{self._credential('GET', path)}\r\n".encode()
        )
        status, _, body = self._read()
        return status, body.decode()

    @property
    def _host(self) -> str:
        return f"{self._address.host}:{self._address.port}"

    def _credential(self, method: str, path: str) -> str:
        token, prover = self._address.token, self._address.prover
        if token is None or prover is None:
            return f"Authorization: Bearer {token}\r\n" if token else ""
        proof = prover.proof(method, f"http://{self._host}{path}", token, self._nonce)
        return f"Authorization: DPoP {token}\r\nDPoP: {proof}\r\n"

    def _head(self, method: str, name: str | None, body: bytes) -> bytes:
        named = f"Mcp-Name: {name}\r\n" if name else ""
        return (
            f"POST /mcp HTTP/1.1\r\nHost: {self._host}\r\n{self._credential('POST', '/mcp')}"
            f"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
            f"MCP-Protocol-Version: {VERSION}\r\nMcp-Method: {method}\r\n{named}Content-Length: {len(body)}\r\n\r\n"
        ).encode()

    def _receive(self) -> tuple[int, dict[str, Any]]:
        status, kind, body = self._read()
        if kind.startswith("text/event-stream"):
            return status, json.loads(body.rpartition(b"data: ")[2].partition(b"\n")[0])
        return status, json.loads(body) if kind.startswith("application/json") else {"error": body.decode()}

    def _read(self) -> tuple[int, str, bytes]:
        """Status, content type and body of one response."""
        status = int(self._line().split(b" ", 2)[1])
        fields = dict(self._fields())
        kind = fields.get("content-type", "")
        self._nonce = fields.get("dpop-nonce", self._nonce)
        if fields.get("transfer-encoding") == "chunked":
            return status, kind, b"".join(self._chunks())
        return status, kind, self._stream.read(int(fields.get("content-length", "0")))

    def _line(self) -> bytes:
        line = self._stream.readline()
        if not line:
            raise ConnectionResetError("the server closed the connection")
        return line

    def _fields(self) -> Iterator[tuple[str, str]]:
        while (line := self._line()) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            yield name.lower(), value.strip()

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line().partition(b";")[0], 16):
            yield self._stream.read(size)
            self._line()
        self._line()


def clock() -> float:
    """Seconds, monotonic."""
    return time.perf_counter()
