"""How long functions and modules may be."""

import ast
import math
import statistics
from collections.abc import Iterator, Sequence

from tests.house.sources import Source

FUNCTION_MEDIAN = 7
FUNCTION_P90 = 30
FUNCTION_CEILING = 60
MODULE_P90 = 400
MODULE_CEILING = 500

Function = ast.FunctionDef | ast.AsyncFunctionDef


def bodies(source: Source) -> Iterator[tuple[Function, int]]:
    """Each function with its lines of code; a declaration (only a docstring or `...`) is left out."""
    for node in ast.walk(source.tree):
        if isinstance(node, Function) and (length := _length(source, node)):
            yield node, length


def long_functions(source: Source) -> Iterator[str]:
    """Functions over the ceiling."""
    for node, length in bodies(source):
        if length > FUNCTION_CEILING:
            yield source.at(node, f"{node.name} has {length} lines, at most {FUNCTION_CEILING} are allowed")


def long_modules(source: Source) -> Iterator[str]:
    """A module over the ceiling."""
    length = len(source.text.splitlines())
    if length > MODULE_CEILING:
        yield f"{source.path}:1: {length} lines, at most {MODULE_CEILING} are allowed"


def spread(sources: Sequence[Source]) -> Iterator[str]:
    """The median and the 90th percentiles, over all modules."""
    functions = [length for source in sources for _, length in bodies(source)]
    lines = [len(source.text.splitlines()) for source in sources]
    measured = (
        ("median function", statistics.median(functions), FUNCTION_MEDIAN),
        ("90th percentile of functions", percentile(functions, 0.9), FUNCTION_P90),
        ("90th percentile of modules", percentile(lines, 0.9), MODULE_P90),
    )
    for name, value, bound in measured:
        if value > bound:
            yield f"{name}: {value} lines, at most {bound} are allowed"


def percentile(values: Sequence[int], share: float) -> int:
    """The smallest value that at least `share` of the values do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _length(source: Source, node: Function) -> int:
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if not body or all(_is_ellipsis(statement) for statement in body):
        return 0
    lines = source.text.splitlines()[body[0].lineno - 1 : node.end_lineno]
    return sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _is_ellipsis(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=value)):
            return value is ...
        case _:
            return False
