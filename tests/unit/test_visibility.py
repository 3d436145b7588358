"""The tables of `ops/visibility.md` say what the code does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from codingbrain.domain.memory import Draft, Memory, Visibility
from codingbrain.errors import AmbiguousTargetError, CodingbrainError, ForbiddenError, InvalidArgumentError
from codingbrain.identity.grants import Grant, GrantKind
from codingbrain.identity.principal import Principal
from codingbrain.identity.roles import Role
from codingbrain.identity.visibility import (
    MAX_SESSION,
    SPECIFICITY,
    audience_of,
    audiences,
    check_edit,
    coverage,
    reshared,
    sees,
    target_of,
)
from codingbrain.record.rows import memory_of_draft

PAGE = (Path(__file__).parents[2] / "ops" / "visibility.md").read_text("utf-8")

HOME, AWAY = UUID(int=1), UUID(int=2)
TEAM, PROJECT = Grant(GrantKind.TEAM, "core"), Grant(GrantKind.PROJECT, "billing")
OTHER_TEAM, OTHER_PROJECT = Grant(GrantKind.TEAM, "web"), Grant(GrantKind.PROJECT, "search")
BOTH = frozenset({TEAM, PROJECT})
AUTHOR = Principal(HOME, UUID(int=11), "author", "test", frozenset(), frozenset({Role.DEVELOPER}), BOTH)
ANYBODY = replace(AUTHOR, user=UUID(int=12), grants=frozenset[Grant]())
ADMIN = frozenset({Role.ADMIN})
CALLERS = {
    "the author": [AUTHOR],
    "another member": [replace(ANYBODY, grants=BOTH)],
    "another member, who is owner or admin": [
        replace(ANYBODY, grants=BOTH, roles=frozenset({role})) for role in (Role.OWNER, Role.ADMIN)
    ],
    "owner or admin, no member": [replace(ANYBODY, roles=frozenset({role})) for role in (Role.OWNER, Role.ADMIN)],
    "anybody else in the org": [
        replace(ANYBODY, roles=frozenset({role})) for role in Role if role not in {Role.OWNER, Role.ADMIN}
    ],
    "a linked org": [replace(ANYBODY, org=AWAY, pools=frozenset({HOME}), grants=BOTH, roles=ADMIN)],
    "another org": [replace(ANYBODY, org=AWAY, pools=frozenset({AWAY}), grants=BOTH, roles=ADMIN)],
}
WISHES = {
    "session": "session:s",
    "user": "user",
    "team": "team:core",
    "project": "project:billing",
    "org": "org",
}


def table(heading: str, number: int) -> Iterator[dict[str, str]]:
    """The rows of the page's n-th table."""
    tables = [part for part in PAGE.split("\n\n") if part.startswith("| ")]
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in tables[number].splitlines())
    assert head[0] == heading
    return (dict(zip(head, row, strict=True)) for row in rows)


def memory(visibility: str) -> Memory:
    return memory_of_draft(Draft("text", visibility=visibility), AUTHOR, UUID(int=21), 0)


def allowed(caller: Principal, shared: Memory) -> str:
    """What a caller may do with a memory of `HOME`, by asking the code."""
    if not sees(caller, HOME, audience_of(shared)):
        return "none"
    asked = shared if caller.org == HOME else replace(shared, visibility=Visibility.ENTERPRISE)
    try:
        check_edit(caller, asked)
    except ForbiddenError:
        return "read"
    try:
        reshared(replace(caller, grants=caller.grants | {OTHER_TEAM}), shared, str(OTHER_TEAM))
    except ForbiddenError:
        return "edit"
    return "share"


def test_the_page_says_who_sees_and_edits() -> None:
    rows = {row.pop("visibility"): row for row in table("visibility", 0)}
    assert rows == {
        name: {who: ", ".join({allowed(caller, memory(wish)) for caller in those}) for who, those in CALLERS.items()}
        for name, wish in WISHES.items()
    }
    assert {*rows, "enterprise"} == set(Visibility)


def meant(wish: str, caller: Principal) -> str:
    try:
        visibility, target = target_of(wish, caller)
    except CodingbrainError as error:
        return error.code
    return visibility if target is None else f"{visibility}:{target}"


def test_the_page_says_what_can_be_asked_for() -> None:
    none, one, several = (
        replace(ANYBODY, grants=frozenset(grants))
        for grants in ((), (TEAM, PROJECT), (TEAM, PROJECT, OTHER_TEAM, OTHER_PROJECT))
    )
    said = {row["visibility"]: list(row.values())[1:] for row in table("visibility", 1)}
    for wish in ("user", "session:ID", "org", "enterprise"):
        cells = next(cells for words, cells in said.items() if words.partition(" ")[0] == wish)
        assert [meant(wish, caller).partition(":")[0] for caller in (none, one, several)] == cells
    named, unnamed = said["team:NAME, project:NAME"], said["team, project"]
    for kind, held, other in (("team", TEAM, OTHER_TEAM), ("project", PROJECT, OTHER_PROJECT)):
        assert meant(str(held), none) == named[0] == meant(kind, none) == unnamed[0] == "forbidden"
        assert (named[1], unnamed[1]) == ("shared, if it is that one", "shared with that one")
        assert [meant(wish, one) for wish in (str(held), kind)] == [str(held)] * 2
        assert (named[2], unnamed[2]) == ("shared, if it is one of them", "ambiguous_target, with the choices")
        assert [meant(wish, several) for wish in (str(held), str(other))] == [str(held), str(other)]
        assert meant(str(other), one) == "forbidden"
        with pytest.raises(AmbiguousTargetError, match=f"{held}, {other}") as raised:
            target_of(kind, several)
        assert raised.value.details["choices"] == [str(held), str(other)]


@pytest.mark.parametrize(
    "wish",
    [
        *("", ":", "USER", "user:", "user:me", f"user:{AUTHOR.user}", "org:", "org:1", "everybody", "enterprise:x"),
        *("session", "session:", "session: ", "session:" + "x" * (MAX_SESSION + 1)),
        *("team:", "team:A", "team: a", "team:a:b"),
    ],
)
def test_nothing_else_can_be_asked_for(wish: str) -> None:
    with pytest.raises(InvalidArgumentError, match="team:NAME"):
        target_of(wish, AUTHOR)


def test_an_admin_does_not_take_what_is_not_theirs() -> None:
    admin = replace(ANYBODY, grants=BOTH, roles=ADMIN)
    for wish in ("team:core", "org"):
        for private in ("user", "session:s"):
            with pytest.raises(ForbiddenError, match="only by its author"):
                reshared(admin, memory(wish), private)
        assert reshared(admin, memory(wish), "project:billing") == (Visibility.PROJECT, "billing")
        with pytest.raises(ForbiddenError, match="not a member"):
            reshared(admin, memory(wish), "team:web")
        assert reshared(AUTHOR, memory(wish), "user") == (Visibility.USER, None)


def test_saying_how_it_is_already_is_no_sharing() -> None:
    member = replace(ANYBODY, grants=BOTH)
    assert reshared(member, memory("team:core"), "team") == (Visibility.TEAM, "core")


def test_a_session_is_searched_only_when_named_and_only_ones_own() -> None:
    note = audience_of(memory("session:s"))
    assert note in audiences(AUTHOR, "s")
    assert note not in audiences(AUTHOR) | audiences(AUTHOR, "t") | audiences(ANYBODY, "s")
    assert sees(AUTHOR, HOME, note)
    assert not sees(ANYBODY, HOME, note)


def test_a_session_handle_is_nobody_elses_label() -> None:
    """Labels are joined with colons, and a handle may hold some."""
    handle = f"x:{ANYBODY.user}:s"
    assert not sees(ANYBODY, HOME, audience_of(memory(f"session:{handle}")))
    assert not audiences(ANYBODY, handle) & audiences(AUTHOR, handle) - {"org"}


def test_a_link_to_oneself_takes_nothing_away() -> None:
    linked = replace(AUTHOR, pools=frozenset({HOME, AWAY}))
    assert coverage(linked, "s") == {HOME: audiences(AUTHOR, "s"), AWAY: frozenset({"org"})}
    assert next(iter(coverage(linked))) == HOME


def test_what_was_worked_out_for_a_caller_is_not_kept_for_another() -> None:
    """`audiences` is cached; a grant that was taken away is another principal, with the same hash."""
    assert hash(AUTHOR) == hash(replace(AUTHOR, grants=frozenset[Grant]()))
    assert "team:core" in audiences(AUTHOR)
    assert "team:core" not in audiences(replace(AUTHOR, grants=frozenset[Grant]()))


def test_the_most_specific_comes_first() -> None:
    assert sorted(Visibility, key=SPECIFICITY.__getitem__, reverse=True) == [*WISHES, "enterprise"]
