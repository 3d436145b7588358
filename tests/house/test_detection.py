"""Each house rule sees what it forbids and passes what it allows."""

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from textwrap import dedent

import pytest

from tests.house import failures, imports, modules, sizes, tree, values
from tests.house.sources import Source

Rule = Callable[[Source], Iterator[str]]

MODULE = "server/codingbrain/memory/service.py"
PORT = "server/codingbrain/ports/vectors.py"
INIT = "server/codingbrain/memory/__init__.py"


def lines(count: int) -> str:
    """That many statements, indented as a function's body."""
    return "\n".join("    x = 1" for _ in range(count))


def port(count: int) -> str:
    """A protocol with that many verbs, a property and a private method."""
    methods = "\n".join(f"    def verb{number}(self) -> None: ..." for number in range(count))
    return f"class Port(Protocol):\n{methods}\n    @property\n    def a(self): ...\n    def _b(self): ..."


BAD: list[tuple[Rule, str, str]] = [
    (sizes.long_functions, MODULE, f"def f():\n{lines(61)}"),
    (sizes.long_functions, MODULE, f"async def f():\n{lines(61)}"),
    (sizes.long_modules, MODULE, "x = 1\n" * 501),
    (modules.names, "server/codingbrain/memory/two_words.py", ""),
    (modules.names, "server/codingbrain/memory/utils.py", ""),
    (modules.names, "server/codingbrain/common/thing.py", ""),
    (modules.opening, MODULE, "x = 1"),
    (modules.opening, MODULE, '"""No full stop"""'),
    (modules.opening, MODULE, '"""One sentence. And another."""'),
    (modules.opening, MODULE, '"""A sentence over\ntwo lines."""'),
    (modules.initialisers, INIT, '"""One."""\nfrom codingbrain.memory.service import Service'),
    (modules.initialisers, INIT, '"""One.\n\nTwo.\n"""'),
    (modules.initialisers, modules.TUPLE_OF_TOOLS, '"""One."""\ndef f(): return 1'),
    (imports.placement, MODULE, "def f():\n    import json"),
    (imports.placement, MODULE, "class A:\n    from json import loads"),
    (imports.absoluteness, MODULE, "from . import service"),
    (imports.absoluteness, MODULE, "from ..domain import memory"),
    (imports.concurrency, MODULE, "import asyncio"),
    (imports.concurrency, MODULE, "from asyncio import Queue"),
    (imports.loading, MODULE, "import importlib"),
    (imports.loading, MODULE, "from importlib import import_module"),
    (imports.loading, MODULE, "from importlib.util import module_from_spec"),
    (imports.sleeping, MODULE, "import time\ntime.sleep(1)"),
    (imports.sleeping, MODULE, "from time import sleep"),
    (imports.patching, "tests/unit/test_x.py", "from unittest import mock"),
    (imports.patching, "tests/journeys/test_x.py", "def test_x(monkeypatch): pass"),
    (values.frozenness, MODULE, "@dataclass\nclass A: ..."),
    (values.frozenness, MODULE, "@dataclass(frozen=True)\nclass A: ..."),
    (values.frozenness, MODULE, "@dataclasses.dataclass(frozen=False, slots=True)\nclass A: ..."),
    (values.verbs, PORT, port(9)),
    (failures.breadth, MODULE, "try:\n    f()\nexcept:\n    pass"),
    (failures.breadth, MODULE, "try:\n    f()\nexcept Exception:\n    pass"),
    (failures.breadth, MODULE, "try:\n    f()\nexcept Exception:  # noqa: BLE001\n    pass"),
    (failures.breadth, MODULE, "try:\n    f()\nexcept (OSError, BaseException) as e:\n    pass"),
    (failures.breadth, MODULE, "with contextlib.suppress(Exception):\n    pass"),
]

GOOD: list[tuple[Rule, str, str]] = [
    (sizes.long_functions, MODULE, f'def f():\n    """Says {"so" * 9}.\n\n{lines(70)}\n    """\n{lines(60)}'),
    (sizes.long_functions, MODULE, "def f():\n    x = 1\n" + "    # why\n\n" * 60 + "    return x"),
    (sizes.long_modules, MODULE, "x = 1\n" * 500),
    (modules.names, "server/codingbrain/stores/lexical/fts5.py", ""),
    (modules.opening, MODULE, '"""One sentence, e.g. this.\n\nA paragraph. Or two.\n"""'),
    (modules.initialisers, INIT, '"""One."""'),
    (modules.initialisers, modules.TUPLE_OF_TOOLS, '"""One."""\nfrom a import b\nTOOLS: tuple = (b,)'),
    (imports.placement, MODULE, "import sys\nif sys.platform == 'win32':\n    import msvcrt\nelse:\n    import fcntl"),
    (imports.absoluteness, MODULE, "from codingbrain.domain import memory"),
    (imports.concurrency, MODULE, "import anyio"),
    (imports.loading, MODULE, "from importlib import resources\nfrom importlib.metadata import version"),
    (imports.loading, MODULE, "from importlib.util import find_spec"),
    (imports.loading, "server/codingbrain/runtime.py", "import importlib"),
    (imports.sleeping, MODULE, "import time\ntime.monotonic()"),
    (imports.patching, "tests/unit/test_x.py", "def test_x(monkeypatch): pass"),
    (values.frozenness, MODULE, "@dataclass(frozen=True, slots=True)\nclass A: ..."),
    (values.verbs, PORT, port(8)),
    (values.verbs, MODULE, port(9)),
    (failures.breadth, MODULE, "try:\n    f()\nexcept OSError:\n    pass"),
    (
        failures.breadth,
        MODULE,
        "try:\n    f()\nexcept Exception:  # noqa: BLE001 - a worker outlives any job\n    pass",
    ),
    (failures.breadth, MODULE, "with suppress(Exception):  # closing is best effort\n    pass"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_a_breach_is_found(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source.of(path, dedent(text))))


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_what_is_allowed_passes(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source.of(path, dedent(text)))) == []


def test_long_functions_on_average_are_found() -> None:
    longer = Source.of(MODULE, f"def f():\n{lines(8)}")
    assert list(sizes.spread([longer])) == ["median function: 8 lines, at most 7 are allowed"]


def test_too_many_long_functions_and_modules_are_found() -> None:
    short, long = (Source.of(MODULE, f"def f():\n{lines(count)}\n" + "x = 1\n" * count * 12) for count in (3, 40))
    assert len(list(sizes.spread([short] * 8 + [long] * 2))) == 2
    assert list(sizes.spread([short] * 9 + [long])) == []


def test_declarations_do_not_count_as_functions() -> None:
    declared = 'class P(Protocol):\n    def a(self): ...\n    def b(self):\n        """Says."""\n        ...\n'
    assert list(sizes.bodies(Source.of(PORT, declared))) == []


@pytest.mark.parametrize("path", ["utilities/x.py", "docker/build.py"])
def test_a_misplaced_file_is_found(path: str) -> None:
    assert list(tree.folders([PurePosixPath(path)]))


@pytest.mark.parametrize(
    "text",
    [
        "see /work/main",
        "HOME=/root/x",
        "cd /home/alice/src",
        "--index-url=https://pypi.org/simple",
        "https://files.pythonhosted.org/x",
        '"resolved": "https://registry.npmjs.org/x"',
        "# TODO: later",
        "as issue #12 asks",
    ],
)
def test_a_forbidden_word_is_found(text: str) -> None:
    assert list(tree.wording([(PurePosixPath("README.md"), text)]))


@pytest.mark.parametrize("text", ["server/work/queue", "$HOME/work/x", "~/.cache", "an issue with 3 parts", "root/"])
def test_an_innocent_word_passes(text: str) -> None:
    assert list(tree.wording([(PurePosixPath("README.md"), text)])) == []
