"""Every delivered requirement is proven through a door, and every proof is about a known requirement."""

import pytest

from tests.faults import none
from tests.house import sources
from tests.requirements.manifest import Manifest, known
from tests.requirements.proofs import Proof, doorless, proofs, undelivered, unknown, unproven


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """The committed manifest."""
    return Manifest.load()


@pytest.fixture(scope="module")
def found() -> list[Proof]:
    """Every claim in the tests."""
    return [proof for source in sources.modules("tests") for proof in proofs(source)]


def test_delivered_requirements_are_known(manifest: Manifest) -> None:
    assert manifest.delivered.keys() <= known()


def test_a_partial_delivery_says_what_is_missing(manifest: Manifest) -> None:
    wrong = [name for name, each in manifest.delivered.items() if (each.status == "partial") is not bool(each.note)]
    assert wrong == []
    assert {each.status for each in manifest.delivered.values()} <= {"complete", "partial"}


def test_proofs_are_about_known_requirements(found: list[Proof]) -> None:
    none(unknown(found, known()))


def test_proofs_are_about_delivered_requirements(found: list[Proof], manifest: Manifest) -> None:
    none(undelivered(found, frozenset(manifest.delivered)))


def test_proofs_go_through_a_door(found: list[Proof], manifest: Manifest) -> None:
    none(doorless(found, manifest.doors_of))


def test_delivered_requirements_are_proven(found: list[Proof], manifest: Manifest) -> None:
    none(unproven(found, manifest.delivered))
