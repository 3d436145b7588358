"""How failures are caught."""

import ast
import re
from collections.abc import Iterator

from tests.house.sources import Source

_BROAD = frozenset({"Exception", "BaseException"})
_NOQA = re.compile(r"\bnoqa(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)?")
_THREE_WORDS = re.compile(r"\w+\W+\w+\W+\w+")


def breadth(source: Source) -> Iterator[str]:
    """Catching or suppressing everything carries its reason on the same line, in three words or more."""
    for node in ast.walk(source.tree):
        match node:
            case ast.ExceptHandler(type=kind):
                broad = kind is None or _is_broad(kind)
            case ast.Call(func=func, args=kinds):
                broad = ast.unparse(func).endswith("suppress") and any(_is_broad(kind) for kind in kinds)
            case _:
                broad = False
        if broad and not _reasoned(source, node):
            yield source.at(node, "everything is caught here and the line does not say why")


def _is_broad(kind: ast.expr) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(ast.unparse(each) in _BROAD for each in kinds)


def _reasoned(source: Source, node: ast.AST) -> bool:
    comment = source.line(getattr(node, "lineno", 1)).partition("#")[2]
    return bool(_THREE_WORDS.search(_NOQA.sub("", comment)))
