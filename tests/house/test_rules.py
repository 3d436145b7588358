"""The checkout keeps the house rules."""

import tomllib
from collections.abc import Callable, Iterator

import pytest

from tests.faults import none
from tests.house import failures, imports, modules, sizes, sources, tree, values
from tests.house.sources import PRODUCT, ROOT, Source

THIS = "tests/house/"
"""The only place that must spell what it forbids."""

ON_PRODUCT = (
    sizes.long_functions,
    sizes.long_modules,
    modules.names,
    modules.opening,
    modules.initialisers,
    imports.placement,
    imports.absoluteness,
    imports.concurrency,
    imports.loading,
    imports.sleeping,
    values.frozenness,
    values.verbs,
    failures.breadth,
)
ON_TESTS = (modules.opening, imports.absoluteness, imports.sleeping, imports.patching)


@pytest.mark.parametrize("rule", ON_PRODUCT, ids=lambda rule: rule.__name__)
def test_the_product_keeps(rule: Callable[[Source], Iterator[str]]) -> None:
    none(fault for source in sources.modules(*PRODUCT) for fault in rule(source))


@pytest.mark.parametrize("rule", ON_TESTS, ids=lambda rule: rule.__name__)
def test_the_tests_keep(rule: Callable[[Source], Iterator[str]]) -> None:
    none(fault for source in sources.modules("tests") for fault in rule(source))


def test_most_functions_and_modules_are_short() -> None:
    none(sizes.spread(sources.modules(*PRODUCT)))


def test_top_level_folders_are_fixed() -> None:
    none(tree.folders(sources.tracked()))


def test_no_file_says_what_none_may_say() -> None:
    none(tree.wording((path, text) for path, text in sources.texts() if not str(path).startswith(THIS)))


def test_every_part_of_the_core_has_a_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["id"] == "layers")["layers"]
    placed = {name.strip(" ()") for layer in layers for name in layer.replace(":", "|").split("|")}
    core = (source.path.parts[2].removesuffix(".py") for source in sources.modules("server"))
    none(
        f"codingbrain.{name} has no layer"
        for name in sorted(set(core))
        if name != "__init__" and f"codingbrain.{name}" not in placed
    )
