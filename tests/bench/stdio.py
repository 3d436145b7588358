"""A stdio client: JSON-RPC lines to and from `codingbrain mcp`, revision 2026-07-28."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Self

from tests.bench.wire import META, CallError


class Stdio:
    """One child process; one request at a time."""

    def __init__(self, line: Sequence[str], env: Mapping[str, str]) -> None:
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(line, env=env, stdin=pipe, stdout=pipe, stderr=null)
        self._id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The structured content of a tool's answer.

        Raises:
            CallError: the call failed, or the process ended.
        """
        self._id += 1
        params = {"name": tool, "arguments": arguments, "_meta": META}
        message = {"jsonrpc": "2.0", "id": self._id, "method": "tools/call", "params": params}
        _pipe(self._process.stdin).write(json.dumps(message).encode() + b"\n")
        _pipe(self._process.stdin).flush()
        answer = self._answer()
        if "error" in answer or answer["result"].get("isError"):
            raise CallError(str(answer))
        return answer["result"].get("structuredContent") or {}

    def _answer(self) -> dict[str, Any]:
        """The reply to the latest request; notifications before it are left out."""
        for line in _pipe(self._process.stdout):
            message = json.loads(line)
            if message.get("id") == self._id:
                return message
        raise CallError("the process ended")


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
