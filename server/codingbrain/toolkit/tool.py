"""How a tool is declared: one value that every face (MCP, REST, documentation) is derived from."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from codingbrain.identity.scopes import Scope
from codingbrain.runtime import Workspace

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R")


class Toolset(StrEnum):
    """Tools that are listed together; `core` is listed by default."""

    CORE = "core"
    CODE = "code"
    GRAPH = "graph"
    EPISODES = "episodes"
    FEEDBACK = "feedback"
    OPERATIONS = "operations"


class Cost(StrEnum):
    """What a call uses: one row, a scan or a model run, or a job; only health checks are free of limits."""

    FREE = "free"
    CHEAP = "cheap"
    NORMAL = "normal"
    HEAVY = "heavy"

    @property
    def units(self) -> int:
        """What a call counts against the caller's limits."""
        return _UNITS[self]


_UNITS: Final = {Cost.FREE: 0, Cost.CHEAP: 1, Cost.NORMAL: 2, Cost.HEAVY: 20}


@dataclass(frozen=True, slots=True)
class Hints:
    """What a client may tell its user before a call (MCP `ToolAnnotations`)."""

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False


READS = Hints(read_only=True, idempotent=True)


@dataclass(frozen=True, slots=True)
class Tool(Generic[A, R]):
    """One operation that a caller can name.

    `arguments` needs `extra="forbid"`. `result` is a dataclass or a pydantic model; a field that is `None` or equals
    its default is left out of the answer, so give a default only to what a reader can do without. The handler gets
    valid arguments and a workspace bound to the caller; it must not outlive `deadline` seconds.
    """

    name: str
    title: str
    description: str
    toolset: Toolset
    scopes: frozenset[Scope]
    arguments: type[A]
    result: type[R]
    handler: Callable[[Workspace, A], Awaitable[R]]
    hints: Hints = field(default_factory=Hints)
    cost: Cost = Cost.NORMAL
    deadline: float = 30.0


AnyTool = Tool[Any, Any]
