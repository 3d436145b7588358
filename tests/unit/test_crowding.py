"""Who gives up a session when all are taken: no org and no user is shut out, and nothing goes back and forth."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codingbrain.transports.http import crowding

ORGS = [f"{letter:{36}}" for letter in "abc"]
USERS = [f"{org}|{number}" for org in ORGS for number in range(4)]
PLACES = 8


def user(name: str) -> str:
    return f"{name[0]:36}|{name[1:]}"


@pytest.mark.parametrize(
    ("held", "asking", "gives"),
    [
        ({"a1": 4}, "a1", None),
        ({"a1": 4}, "b1", "a1"),
        ({"a1": 3, "a2": 1}, "a3", "a1"),
        ({"a1": 2, "a2": 2}, "a2", None),
        ({"a1": 2, "a2": 1}, "a2", None),
        ({"a1": 1, "a2": 1}, "a3", None),
        ({"a1": 1, "a2": 1}, "b1", "a1"),
        ({"a1": 1, "b1": 1}, "c1", None),
        ({"a1": 1, "b1": 3}, "a1", "b1"),
        ({"a1": 2, "b1": 3}, "a1", None),
        ({"a1": 1, "a2": 1, "a3": 1, "b1": 2}, "b1", None),
        ({"a1": 1, "a2": 1, "a3": 1, "a4": 1, "b1": 2}, "b1", "a1"),
        ({"a1": 2, "b1": 1, "b2": 1}, "a2", "a1"),
    ],
)
def test_whoever_holds_most_in_the_org_that_holds_most(held: dict[str, int], asking: str, gives: str | None) -> None:
    found = crowding({user(name): count for name, count in held.items()}, user(asking))
    assert found == (None if gives is None else user(gives))


@given(st.lists(st.sampled_from(USERS), min_size=PLACES, max_size=PLACES), st.sampled_from(USERS))
def test_asking_ends(asked: list[str], late: str) -> None:
    """Every exchange makes the shares more even; in the end no org and no user of their own has much more."""
    held, exchanges = Counter(asked), 0
    while (gives := crowding(held, late)) is not None:
        held.subtract([gives])
        held.update([late])
        exchanges += 1
        assert exchanges <= PLACES
        assert crowding(held, gives) != late, "nothing goes back"
    orgs = Counter[str]()
    for name, count in held.items():
        orgs[name[:36]] += count
    assert max(orgs.values()) <= orgs[late[:36]] + 1
    assert max([count for name, count in held.items() if name[:36] == late[:36]], default=0) <= held[late] + 1
