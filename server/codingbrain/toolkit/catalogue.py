"""The tools that are offered, in the order of their tuple, with everything that is derived from a declaration once."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from codingbrain.errors import UnknownToolError
from codingbrain.identity.scopes import Scope
from codingbrain.toolkit.schema import Schema, arguments_schema, result_schema
from codingbrain.toolkit.tool import AnyTool, Toolset

CORE: Final = frozenset({Toolset.CORE})

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """A tool with its advertised schemas."""

    tool: AnyTool
    arguments: Schema
    result: Schema
    adapter: TypeAdapter[Any]

    def render(self, result: object) -> dict[str, Any]:
        """A result as JSON values, without fields that are `None` or equal their default."""
        return self.adapter.dump_python(
            result, mode="json", by_alias=True, exclude_none=True, exclude_defaults=True, warnings="error"
        )


class Catalogue:
    """The offered tools by name.

    Raises:
        ValueError, TypeError: a declaration is wrong: the name, its repetition, or a model.
    """

    def __init__(self, tools: Iterable[AnyTool]) -> None:
        self.entries: tuple[Entry, ...] = tuple(_entry(tool) for tool in tools)
        self._by_name: Mapping[str, Entry] = {entry.tool.name: entry for entry in self.entries}
        if len(self._by_name) != len(self.entries):
            message = "two tools have the same name"
            raise ValueError(message)

    def find(self, name: str) -> Entry:
        """The tool of this name.

        Raises:
            UnknownToolError: there is none.
        """
        if (entry := self._by_name.get(name)) is None:
            raise UnknownToolError(f"Unknown tool: {printable(name)}")
        return entry

    def scopes(self, name: str) -> frozenset[Scope]:
        """What a call needs; nothing if there is no such tool, so that the answer is the same for everybody."""
        entry = self._by_name.get(name)
        return entry.tool.scopes if entry else frozenset()

    def input_schema(self, name: str) -> Schema | None:
        """The argument schema of a tool, if there is one."""
        entry = self._by_name.get(name)
        return entry.arguments if entry else None

    def listed(self, toolsets: frozenset[Toolset], scopes: frozenset[Scope] | None) -> tuple[Entry, ...]:
        """The tools of `toolsets` that `scopes` allow, all of them if that is `None`; the order never changes."""
        return tuple(
            entry
            for entry in self.entries
            if entry.tool.toolset in toolsets and (scopes is None or entry.tool.scopes <= scopes)
        )


def printable(name: str) -> str:
    """A caller's own word, short and safe to repeat."""
    kept = "".join(letter if letter.isprintable() else "?" for letter in name[:_SHOWN])
    return f"{kept}…" if len(name) > _SHOWN else kept


def parse_toolsets(text: str) -> frozenset[Toolset]:
    """`code,graph` (or `all`) as toolsets, core always among them; unknown words mean nothing."""
    words = frozenset(text.replace(" ", "").split(","))
    return frozenset(Toolset) if "all" in words else CORE | {each for each in Toolset if each in words}


def _entry(tool: AnyTool) -> Entry:
    if not _NAME.fullmatch(tool.name):
        message = f"{tool.name!r} is not a tool name"
        raise ValueError(message)
    if tool.arguments.model_config.get("extra") != "forbid":
        message = f"the arguments of {tool.name} must forbid what they do not name"
        raise TypeError(message)
    adapter = TypeAdapter[Any](tool.result)
    return Entry(tool, arguments_schema(tool.arguments), result_schema(adapter), adapter)
