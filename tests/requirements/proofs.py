"""Which tests prove which requirements, read from the text of the tests."""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.house.sources import Source

MARK = "pytest.mark.proves"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Holder = ast.ClassDef | Function


@dataclass(frozen=True, slots=True)
class Proof:
    """One test's claim to prove one requirement, with the fixtures that the test asks for by name."""

    id: str
    test: str
    fixtures: frozenset[str]


def proofs(source: Source) -> Iterator[Proof]:
    """Every claim in a module of tests; a mark on a class holds for each test in it."""
    yield from _in(source, source.tree.body, frozenset())


def unknown(found: Iterable[Proof], known: frozenset[str]) -> Iterator[str]:
    """Claims about requirements that do not exist."""
    yield from (f"{proof.test}: no requirement is called {proof.id}" for proof in found if proof.id not in known)


def doorless(found: Iterable[Proof], doors: Callable[[str], frozenset[str]]) -> Iterator[str]:
    """Claims by tests that do not go through a door of the requirement."""
    for proof in found:
        if not proof.fixtures & doors(proof.id):
            yield f"{proof.test}: proves {proof.id} without a door"


def unproven(found: Iterable[Proof], delivered: Iterable[str]) -> Iterator[str]:
    """Delivered requirements that no test claims."""
    claimed = {proof.id for proof in found}
    yield from (f"{each}: delivered, but no test proves it" for each in delivered if each not in claimed)


def undelivered(found: Iterable[Proof], delivered: frozenset[str]) -> Iterator[str]:
    """Claims about requirements that the manifest does not list as delivered."""
    yield from (f"{proof.test}: {proof.id} is not in the manifest" for proof in found if proof.id not in delivered)


def _in(source: Source, body: list[ast.stmt], inherited: frozenset[str]) -> Iterator[Proof]:
    for node in body:
        match node:
            case ast.ClassDef():
                yield from _in(source, node.body, inherited | _claims(node))
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name.startswith("test"):
                test = f"{source.path}::{node.name}"
                yield from (Proof(each, test, _fixtures(node)) for each in sorted(inherited | _claims(node)))
            case _:
                pass


def _claims(node: Holder) -> frozenset[str]:
    calls = (each for each in node.decorator_list if isinstance(each, ast.Call) and ast.unparse(each.func) == MARK)
    return frozenset(_word(argument) for call in calls for argument in call.args)


def _fixtures(node: Function) -> frozenset[str]:
    arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return frozenset(argument.arg for argument in arguments)


def _word(argument: ast.expr) -> str:
    match argument:
        case ast.Constant(value=str(value)):
            return value
        case _:
            return ast.unparse(argument)
