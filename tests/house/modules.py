"""What a module is called and how it opens."""

import ast
import re
from collections.abc import Iterator

from tests.house.sources import Source

BANNED = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "misc"})
TUPLE_OF_TOOLS = "tools/codingbrain_tools/__init__.py"

_ONE_WORD = re.compile(r"[a-z][a-z0-9]*|__init__|__main__")
_NEXT_SENTENCE = re.compile(r"[.!?]\s+[A-Z]")


def names(source: Source) -> Iterator[str]:
    """A module's name is one word that says what it holds."""
    stem = source.path.stem
    if not _ONE_WORD.fullmatch(stem):
        yield f"{source.path}:1: a module's name is one word"
    if stem in BANNED or source.path.parent.name in BANNED:
        yield f"{source.path}:1: this name says nothing about what is inside"


def opening(source: Source) -> Iterator[str]:
    """A module opens with one sentence, on one line; a paragraph may follow."""
    first, _, rest = (ast.get_docstring(source.tree) or "").partition("\n")
    if not first:
        yield f"{source.path}:1: no docstring"
    elif not first.endswith(".") or _NEXT_SENTENCE.search(first) or (rest and not rest.startswith("\n")):
        yield f"{source.path}:1: the first line of the docstring is not one sentence"


def initialisers(source: Source) -> Iterator[str]:
    """A package initialiser holds its sentence; the one of the tools also holds the tuple."""
    if source.path.stem != "__init__":
        return
    allowed = (ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr) if str(source.path) == TUPLE_OF_TOOLS else ()
    yield from (
        source.at(node, "a package initialiser holds one sentence only")
        for node in source.tree.body[1:]
        if not isinstance(node, allowed)
    )
    if not allowed and "\n" in (ast.get_docstring(source.tree) or ""):
        yield f"{source.path}:1: a package initialiser holds one sentence only"
