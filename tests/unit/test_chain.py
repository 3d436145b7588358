"""The hash chain: whole as it was sealed, and broken by any change to it."""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codingbrain.access import chain
from codingbrain.access.chain import Break, Fault, Place
from codingbrain.domain.audit import Entry, Line, Link

KEY = bytes(range(32))
ORG = UUID(int=7)

Chain = tuple[list[Link], list[Line]]


def line(seq: int, **other: object) -> Line:
    known = {"at": seq * 10, "org": ORG, "action": "memory.created", "object": f"memory:{UUID(int=seq)}", "client": "x"}
    return Line(seq, Entry(**{**known, **other}))  # pyright: ignore[reportArgumentType] - fields by name


def sealed(*sizes: int, key: bytes = KEY) -> Chain:
    """A chain of seals with so many entries each; other orgs have every second `seq`."""
    links: list[Link] = []
    lines: list[Line] = []
    place = Place(ORG)
    for size in sizes:
        own = [line(2 * (len(lines) + number) + 1) for number in range(size)]
        links.append(chain.link(key, place, own, at=1_000 + len(links)))
        lines += [replace(each, seal=links[-1].number) for each in own]
        place, broken = chain.follow(key, place, links[-1:], [each for each in lines if each.seal == links[-1].number])
        assert broken is None
    return links, lines


def broken(links: Iterable[Link], lines: Iterable[Line], key: bytes = KEY) -> Break | None:
    return chain.follow(key, Place(ORG), links, lines)[1]


def test_the_canonical_form_stays_as_it_is() -> None:
    """Another form would break every chain that stands."""
    entry = Entry(5, ORG, "auth", "unauthenticated", None, UUID(int=1), "nameé\n", "0a", 3)
    link = chain.link(KEY, Place(ORG), [Line(9, entry)], at=6)
    said = (
        f'["codingbrain-audit-1","{ORG}",1,9,9,1,"{"0" * 64}",6]\n'
        f'[9,5,"{UUID(int=1)}","name\\u00e9\\n","auth",null,"unauthenticated",3,"0a"]\n'
    )
    assert link.digest == hmac.digest(KEY, said.encode("ascii"), "sha256")


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_what_was_sealed_is_whole(sizes: list[int]) -> None:
    links, lines = sealed(*sizes)
    place, fault = chain.follow(KEY, Place(ORG), links, lines)
    assert fault is None
    assert (place.number, place.entries, place.digest) == (len(sizes), sum(sizes), links[-1].digest)
    assert all(after.previous == before.digest for before, after in pairwise(links))


@given(
    st.integers(0, 5), st.sampled_from(["at", "action", "outcome", "object", "actor", "client", "request_id", "times"])
)
def test_any_field_of_any_entry_counts(index: int, name: str) -> None:
    links, lines = sealed(2, 2, 2)
    other = {"at": 1, "actor": UUID(int=3), "times": 2}.get(name, "other")
    entry = replace(lines[index].entry, **{name: other})
    lines[index] = replace(lines[index], entry=entry)
    found = broken(links, lines)
    assert found is not None
    assert found.seal == index // 2 + 1
    assert found.fault is (Fault.CHANGED if found.seal > 1 else Fault.CHANGED_OR_OTHER_KEY)


@given(st.sampled_from(["at", "entries", "first", "last", "previous", "digest", "number"]), st.integers(0, 2))
def test_any_field_of_any_seal_counts(name: str, index: int) -> None:
    links, lines = sealed(2, 2, 2)
    value = getattr(links[index], name)
    links[index] = replace(links[index], **{name: bytes(31) + b"x" if isinstance(value, bytes) else value + 1})
    found = broken(sorted(links, key=lambda link: link.number), lines)
    assert found is not None
    assert found.seal == index + 1


def without_entry(links: list[Link], lines: list[Line]) -> Chain:
    return links, lines[:2] + lines[3:]


def with_entry(links: list[Link], lines: list[Line]) -> Chain:
    return links, [*lines[:4], replace(line(100), seal=2), *lines[4:]]


def without_seal(links: list[Link], lines: list[Line]) -> Chain:
    return [links[0], links[2]], lines


def reordered(links: list[Link], lines: list[Line]) -> Chain:
    one, two, three = links
    return [one, replace(three, number=2), replace(two, number=3)], lines


def moved(links: list[Link], lines: list[Line]) -> Chain:
    return links, [*lines[:2], replace(lines[2], seal=3), *lines[3:]]


@pytest.mark.parametrize(
    ("tamper", "fault"),
    [
        (without_entry, Fault.ENTRY_MISSING),
        (with_entry, Fault.ENTRY_ADDED),
        (without_seal, Fault.SEAL_MISSING),
        (reordered, Fault.SEAL_MOVED),
        (moved, Fault.ENTRY_MISSING),
    ],
)
def test_the_first_broken_place_is_named(tamper: Callable[[list[Link], list[Line]], Chain], fault: Fault) -> None:
    links, lines = tamper(*sealed(2, 2, 2))
    found = broken(links, lines)
    assert found is not None
    assert (found.seal, found.fault) == (2, fault)


def test_another_key_is_noticed_at_once() -> None:
    assert broken(*sealed(2, 2), key=bytes(32)) == Break(1, Fault.CHANGED_OR_OTHER_KEY, 1, 3)


def test_whoever_lacks_the_key_cannot_continue_the_chain() -> None:
    links, lines = sealed(2)
    forged = chain.link(bytes(32), Place(ORG, 1, links[0].digest), [line(9)], at=1)
    found = broken([*links, forged], [*lines, replace(line(9), seal=2)])
    assert found == Break(2, Fault.CHANGED, 9, 9)


def test_a_chain_belongs_to_its_org() -> None:
    links, lines = sealed(2)
    other = Place(UUID(int=8))
    assert chain.follow(KEY, other, [replace(links[0], org=other.org)], lines)[1] is not None


@given(st.text(max_size=5), st.text(max_size=5))
def test_nothing_moves_from_one_field_to_the_next(one: str, two: str) -> None:
    parted = chain.link(KEY, Place(ORG), [line(1, action=one, object=two)], at=1)
    joined = chain.link(KEY, Place(ORG), [line(1, action=one + two, object="")], at=1)
    assert (parted.digest == joined.digest) is (two == "")
