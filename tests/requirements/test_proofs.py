"""The search for proofs sees marks on functions and classes, and what each lacks."""

from textwrap import dedent

from tests.house.sources import Source
from tests.requirements.manifest import Delivery, Manifest, known
from tests.requirements.proofs import Proof, doorless, proofs, undelivered, unknown, unproven

TEXT = dedent("""
    import pytest

    @pytest.mark.proves("RUN-2", "RUN-3")
    async def test_serves(mcp_client, *, tmp_path): ...

    @pytest.mark.proves("MEM-1")
    class TestMemories:
        @pytest.mark.proves("MEM-4")
        def test_keeps(self, command): ...

        def helps(self): ...

    def test_claims_nothing(command): ...
""")
WHERE = "tests/journeys/test_x.py"


def found() -> list[Proof]:
    """The claims of the sample."""
    return list(proofs(Source.of(WHERE, TEXT)))


def test_claims_are_found() -> None:
    claims = [(proof.id, proof.test.rpartition("::")[2]) for proof in found()]
    assert claims == [
        ("RUN-2", "test_serves"),
        ("RUN-3", "test_serves"),
        ("MEM-1", "test_keeps"),
        ("MEM-4", "test_keeps"),
    ]


def test_fixtures_are_found() -> None:
    assert found()[0].fixtures == {"mcp_client", "tmp_path"}


def test_unknown_ids_are_found() -> None:
    assert list(unknown(found(), frozenset({"RUN-2", "RUN-3", "MEM-1"}))) == [
        f"{WHERE}::test_keeps: no requirement is called MEM-4"
    ]


def test_missing_doors_are_found() -> None:
    assert len(list(doorless(found(), lambda _: frozenset({"command"})))) == 2
    assert list(doorless(found(), lambda _: frozenset({"command", "mcp_client"}))) == []


def test_a_requirement_may_have_a_door_of_its_own() -> None:
    manifest = Manifest(frozenset({"command"}), {"TEST-1": Delivery("partial", "some", ("engine",))})
    assert manifest.doors_of("TEST-1") == {"command", "engine"}
    assert manifest.doors_of("RUN-1") == {"command"}


def test_missing_proofs_are_found() -> None:
    assert list(unproven(found(), ["RUN-2", "RUN-7"])) == ["RUN-7: delivered, but no test proves it"]


def test_early_proofs_are_found() -> None:
    assert len(list(undelivered(found(), frozenset({"RUN-2", "RUN-3", "MEM-1"})))) == 1


def test_the_known_ids_are_counted_out() -> None:
    assert {"RUN-1", "RUN-11", "SRCH-9"} <= known()
    assert not {"RUN-0", "RUN-12", "SRCH-10"} & known()
