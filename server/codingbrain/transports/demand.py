"""What a request asks of its caller: scopes, cost units, and whether its answer stays open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.responses import JSONResponse

from codingbrain.identity.scopes import Scope
from codingbrain.transports.message import MalformedError, peek
from codingbrain.transports.refused import RefusedError

LISTEN: Final = "subscriptions/listen"


@dataclass(frozen=True, slots=True)
class Demand:
    """`item` names the operation in limits and in the audit log: a tool, or a method with a route."""

    item: str
    scopes: frozenset[Scope] = frozenset()
    cost: int = 1
    streams: bool = False


class Demands(Protocol):
    """The policy of one path."""

    def __call__(self, method: str, body: bytes) -> Demand:
        """What a request with this HTTP method and body asks; the body is empty for GET and HEAD.

        Raises:
            RefusedError: the body is nothing that the path could take.
        """
        ...

    def refused(self, method: str) -> Demand:
        """What a request with this method is charged as if its body is refused."""
        ...


class Messages:
    """A path that takes JSON-RPC messages by POST, and shows a stream by GET; `tools` are demands by tool name."""

    def __init__(self, path: str, tools: Mapping[str, Demand]) -> None:
        self._tools = tools
        self._stream = Demand(f"GET {path}", streams=True)
        self._post = Demand(f"POST {path}")
        self._listen = Demand(f"POST {path}", streams=True)
        self._others = {method: Demand(f"{method} {path}") for method in ("DELETE", "HEAD", "OPTIONS", "PUT", "PATCH")}
        self._unusual = Demand(f"other {path}")

    def __call__(self, method: str, body: bytes) -> Demand:
        """A call of an unknown tool asks nothing, so that it is answered alike for everybody."""
        if method == "POST":
            try:
                name, tool = peek(body)
            except MalformedError as error:
                told = error.reply.model_dump(by_alias=True, exclude_unset=True)
                raise RefusedError(JSONResponse(told, 400)) from None
            if name == LISTEN:
                return self._listen
            return self._tools.get(tool, self._post) if tool is not None else self._post
        return self._stream if method == "GET" else self._others.get(method, self._unusual)

    def refused(self, method: str) -> Demand:
        """A post of nothing in particular."""
        return self._post if method == "POST" else self(method, b"")


class Fixed:
    """A path whose rows are known by their HTTP method."""

    def __init__(self, path: str, rows: Mapping[str, Demand]) -> None:
        self._rows = dict(rows)
        if "GET" in rows:
            self._rows.setdefault("HEAD", rows["GET"])
        self._other = Demand(f"other {path}")

    def __call__(self, method: str, body: bytes) -> Demand:
        """A method without a row asks for a principal only; it is refused behind the gate."""
        del body
        return self._rows.get(method, self._other)

    def refused(self, method: str) -> Demand:
        """The same row, whatever the body."""
        return self._rows.get(method, self._other)
