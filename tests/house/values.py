"""What classes look like: frozen values and small ports."""

import ast
from collections.abc import Iterator

from tests.house.sources import Source

PORTS = "server/codingbrain/ports"
VERBS = 8


def frozenness(source: Source) -> Iterator[str]:
    """A dataclass is frozen and slotted."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and any(_is_loose(decorator) for decorator in node.decorator_list):
            yield source.at(node, f"the dataclass {node.name} is frozen and slotted")


def verbs(source: Source) -> Iterator[str]:
    """A port has at most eight verbs."""
    if not str(source.path).startswith(PORTS):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and (count := sum(1 for each in node.body if _is_verb(each))) > VERBS:
            yield source.at(node, f"the port {node.name} has {count} verbs, at most {VERBS} are allowed")


def _is_loose(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Call(func=func, keywords=keywords) if _is_dataclass(func):
            true = {key.arg for key in keywords if isinstance(key.value, ast.Constant) and key.value.value is True}
            return not {"frozen", "slots"} <= true
        case _:
            return _is_dataclass(decorator)


def _is_dataclass(expression: ast.expr) -> bool:
    return ast.unparse(expression) in {"dataclass", "dataclasses.dataclass"}


def _is_verb(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and not any(ast.unparse(decorator) == "property" for decorator in node.decorator_list)
    )
