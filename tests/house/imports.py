"""Where and what a module imports."""

import ast
import re
from collections.abc import Iterator

from tests.house.sources import Source

LOADERS = frozenset(
    {
        "server/codingbrain/runtime.py",  # engines, by URL scheme
        "server/codingbrain/cli/entry.py",  # commands, by word
        "server/codingbrain/record/schema.py",  # Alembic, only when a revision is due
        "server/codingbrain/telemetry/logs.py",  # the OTLP exporter, which is an extra
    }
)
"""The modules that may load another one by its name."""

Import = ast.Import | ast.ImportFrom

_LOADING = re.compile(r"importlib(\.import_module|\.machinery.*|\.util(\.(?!find_spec\b).*)?)?$")


def placement(source: Source) -> Iterator[str]:
    """Imports stand at the top; a platform's own modules may stand in an `if` or `try` there."""
    top = set(_top(source.tree.body))
    for node in ast.walk(source.tree):
        if isinstance(node, Import) and node not in top:
            yield source.at(node, "an import stands at the top of the module")


def absoluteness(source: Source) -> Iterator[str]:
    """Imports are absolute."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield source.at(node, "imports are absolute")


def concurrency(source: Source) -> Iterator[str]:
    """Concurrency is anyio's."""
    for node, name in _imported(source):
        if name.partition(".")[0] == "asyncio":
            yield source.at(node, "anyio's primitives, never asyncio's")


def loading(source: Source) -> Iterator[str]:
    """Only the listed modules load others by name."""
    for node, name in _imported(source):
        if _LOADING.match(name) and str(source.path) not in LOADERS:
            yield source.at(node, "this module is not one of those that load others by name")


def sleeping(source: Source) -> Iterator[str]:
    """Nothing blocks a thread for a fixed time."""
    for node, name in _imported(source):
        if name == "time.sleep":
            yield source.at(node, "never time.sleep")
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
                yield source.at(node, "never time.sleep")
            case _:
                pass


def patching(source: Source) -> Iterator[str]:
    """Tests outside `tests/unit` run what users run: nothing is mocked or patched."""
    for node, name in _imported(source):
        if name.startswith("unittest.mock"):
            yield source.at(node, "no mocks")
    if source.path.parts[:2] == ("tests", "unit"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.arg) and node.arg == "monkeypatch":
            yield source.at(node, "no patching outside tests/unit")


def _top(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        yield statement
        match statement:
            case ast.If(body=body, orelse=orelse):
                yield from _top([*body, *orelse])
            case ast.Try(body=body, handlers=handlers, orelse=orelse):
                yield from _top([*body, *orelse, *(inner for handler in handlers for inner in handler.body)])
            case _:
                pass


def _imported(source: Source) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                yield from ((node, name.name) for name in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from ((node, f"{module}.{name.name}") for name in names)
            case _:
                pass
