"""Who sees and changes what: random orgs, callers and memories, through record and lanes, against an oracle."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from itertools import count, takewhile
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codingbrain.domain.memory import Draft, Memory, Patch, State
from codingbrain.domain.query import Criteria, Query
from codingbrain.domain.receipt import Receipt
from codingbrain.errors import NotFoundError
from codingbrain.identity.grants import Grant, GrantKind
from codingbrain.identity.principal import Principal
from codingbrain.identity.roles import Role
from codingbrain.memory.service import Change, MemoryService
from codingbrain.ports.lexical import TextQuery
from codingbrain.ports.vectors import VectorQuery
from codingbrain.retrieval.labels import filters_of
from codingbrain.retrieval.pipeline import Search
from tests.contract.house import House, Toy, house

pytestmark = pytest.mark.anyio

GRANTS = [Grant(GrantKind.TEAM, "a"), Grant(GrantKind.TEAM, "b"), Grant(GrantKind.PROJECT, "a")]
WISHES = ["user", "org", "team", "team:a", "team:b", "project", "project:a", "session:s", "session:t"]
TEXTS = ["the word", "a word too", "word by word"]
SESSIONS = [None, "s"]
WIDTHS = ["session", "user", "team", "project", "org", "enterprise"]

numbers = count(1)


@pytest.fixture
async def home(data_dir: Path) -> AsyncIterator[House]:
    async with house(data_dir) as home:
        yield home


# --- the oracle ---


class Shared(NamedTuple):
    kind: str
    target: str | None


@dataclass(slots=True)
class Note:
    """A memory as it should be; the last of `versions` is how it is shared now."""

    id: UUID
    org: UUID
    owner: UUID
    text: str
    versions: list[Shared]
    deleted: bool = False

    def seen(self, by: Principal, shared: Shared | None = None) -> bool:
        kind, target = shared or self.versions[-1]
        if self.org != by.org:
            return kind == "org" and self.org in by.pools
        held = any((grant.kind, grant.name) == (kind, target) for grant in by.grants)
        return kind == "org" or held or (kind in {"user", "session"} and self.owner == by.user)

    def found(self, by: Principal, session: str | None) -> bool:
        kind, target = self.versions[-1]
        return self.seen(by) and (kind != "session" or target == session)

    def changed(self, by: Principal) -> bool:
        shared = self.versions[-1].kind != "org" or self.owner == by.user or _governs(by)
        return self.seen(by) and self.org == by.org and shared

    def reshared(self, by: Principal, to: Shared) -> bool:
        decides = self.owner == by.user or (_governs(by) and to.kind in {"team", "project", "org"})
        return self.changed(by) and (decides or to == self.versions[-1])

    def shown(self, by: Principal) -> str:
        kind, target = self.versions[-1]
        return "enterprise" if self.org != by.org else f"{kind}:{target}" if target else kind

    def history(self, by: Principal) -> list[Shared]:
        steps = self.versions[::-1]
        return steps if self.owner == by.user else list(takewhile(lambda step: self.seen(by, step), steps))


def _governs(by: Principal) -> bool:
    return bool({"owner", "admin"} & by.roles)


def _meant(wish: str, by: Principal) -> Shared | str:
    """What a wish means, or the code of its refusal."""
    kind, _, name = wish.partition(":")
    if kind not in {"team", "project"}:
        return Shared(kind, name or None)
    fitting = [grant.name for grant in by.grants if grant.kind == kind and name in {"", grant.name}]
    return Shared(kind, fitting[0]) if len(fitting) == 1 else "ambiguous_target" if fitting else "forbidden"


# --- the worlds ---


class Step(NamedTuple):
    who: int
    what: str
    which: int
    wish: str
    text: str


class World(NamedTuple):
    callers: list[Principal]
    steps: list[Step]


@st.composite
def worlds(draw: Callable[..., object]) -> World:
    first = next(numbers) * 8
    orgs = [UUID(int=first + each) for each in range(3)]
    pools = [frozenset(org for org in orgs if draw(st.booleans())) for _ in orgs]
    callers = [
        Principal(
            orgs[home],
            UUID(int=first * 8 + number),
            "someone",
            "test",
            frozenset(),
            roles=frozenset({draw(st.sampled_from([Role.OWNER, Role.ADMIN, Role.DEVELOPER]))}),  # pyright: ignore[reportArgumentType]
            grants=draw(st.frozensets(st.sampled_from(GRANTS))),  # pyright: ignore[reportArgumentType]
            pools=pools[home],
        )
        for number, home in enumerate([0, 0, 0, 1, 2])
    ]
    who, which = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 3, 4]), st.integers(0, 30)
    what = st.sampled_from(["add", "add", "add", "share", "share", "edit", "delete", "restore"])
    step = st.builds(Step, who, what, which, st.sampled_from(WISHES), st.sampled_from(TEXTS))
    return World(callers, draw(st.lists(step, min_size=10, max_size=30)))  # pyright: ignore[reportArgumentType]


@dataclass(slots=True)
class Play:
    """A world on its way: what was stored, and what the oracle makes of it."""

    house: House
    callers: list[Principal]
    notes: list[Note] = field(default_factory=list[Note])

    async def step(self, step: Step) -> None:
        by = self.callers[step.who]
        if step.what == "add":
            await self.add(by, step.wish, step.text)
        elif self.notes:
            await self.change(by, self.notes[step.which % len(self.notes)], step.what, step.wish)

    async def add(self, by: Principal, wish: str, text: str) -> None:
        [receipt] = await self.house.memories(by).add([Draft(text, visibility=wish, tags=(str(len(self.notes)),))])
        match _meant(wish, by):
            case Shared() as meant:
                assert receipt.id
                assert receipt.outcome == "created", receipt
                self.notes.append(Note(receipt.id, by.org, by.user, text, [meant]))
            case code:
                assert _code(receipt) == code

    async def change(self, by: Principal, note: Note, what: str, wish: str) -> None:
        if what == "delete":
            [receipt] = await self.house.memories(by).delete([note.id])
            allowed = note.changed(by) and not note.deleted
        else:
            asked = {"share": Patch(visibility=wish), "edit": Patch(pinned=len(note.versions) % 2 == 1)}
            change = Change(note.id, asked.get(what, Patch(state=State.ACTIVE)))
            [receipt] = await self.house.memories(by).update([change])
            allowed = note.changed(by) and (not note.deleted or what == "restore")
        meant = _meant(wish, by) if what == "share" else note.versions[-1]
        if not note.seen(by):
            assert _refusal(receipt, note) == ("not_found", "there is no memory ID")
        elif not note.changed(by):
            assert _code(receipt) == "forbidden"
            assert receipt.error
            assert "read-only for you" in receipt.error.message
        elif not allowed:
            assert _code(receipt) == "not_found"
        elif isinstance(meant, str):
            assert _code(receipt) == meant
        elif not note.reshared(by, meant):
            assert _code(receipt) == "forbidden"
        else:
            assert receipt.error is None
            note.deleted = what == "delete" or (note.deleted and what != "restore")
            note.versions += [meant] if receipt.outcome != "unchanged" else []

    def expected(self, by: Principal, session: str | None) -> set[UUID]:
        """What a search finds: of equal texts, those with the most specific visibility."""
        found = [note for note in self.notes if note.found(by, session) and not note.deleted]
        width = {note.id: WIDTHS.index(note.shown(by).partition(":")[0]) for note in found}
        best = {text: min(width[note.id] for note in found if note.text == text) for text in {n.text for n in found}}
        return {note.id for note in found if width[note.id] == best[note.text]}


def _code(receipt: Receipt) -> str | None:
    return receipt.error.code if receipt.error else None


def _refusal(receipt: Receipt, note: Note) -> tuple[str, str] | None:
    return receipt.error and (receipt.error.code, receipt.error.message.replace(str(note.id), "ID"))


async def _paged(search: Search, asked: Query) -> list[Memory]:
    found: list[Memory] = []
    while True:
        answer = await search.run(asked)
        assert not answer.degraded, answer.lanes
        found += [hit.memory for hit in answer.hits]
        if answer.cursor is None:
            return found
        asked = replace(asked, cursor=answer.cursor)


async def _searched(play: Play, limit: int) -> None:
    for by in play.callers:
        for session in SESSIONS:
            query = Query("word", limit, criteria=Criteria(session=session))
            hits = await _paged(play.house.search(by), query)
            assert sorted(hit.id for hit in hits) == sorted(play.expected(by, session))
            shown = {note.id: note.shown(by) for note in play.notes}
            assert all(_wish(hit) == shown[hit.id] for hit in hits)


def _wish(memory: Memory) -> str:
    return memory.visibility if memory.target is None else f"{memory.visibility}:{memory.target}"


async def _each_lane(play: Play) -> None:
    """The lanes by themselves return nothing that the record would have to take out."""
    engines = play.house.pipeline.engines
    vector = await Toy().query("word")
    for by in play.callers:
        for session in SESSIONS:
            own = {note.id for note in play.notes if note.found(by, session) and not note.deleted}
            words: set[UUID] = set()
            near: set[UUID] = set()
            for tenant, allowed in filters_of(Criteria(session=session), by).items():
                words |= {m.id for m in await engines.lexical.tenant(tenant).search(TextQuery("word", allowed, 100))}
                index = engines.vectors.tenant(tenant, Toy.model)
                near |= {m.id for m in await index.search(VectorQuery(vector, allowed, 100))}
            assert (words, near) == (own, own)


async def _read(play: Play) -> None:
    """By id, in lists, and in the history."""
    for by in play.callers:
        memories = play.house.memories(by)
        got = await memories.get([note.id for note in play.notes])
        assert {one.id: _wish(one) for one in got} == {n.id: n.shown(by) for n in play.notes if n.seen(by)}
        for session in SESSIONS:
            own = {note.id for note in play.notes if note.found(by, session)}
            newest = sorted((one for one in got if one.id in own), key=lambda one: (one.created_at, one.id))[::-1]
            assert await _listed(memories, Criteria(session=session, states=frozenset(State))) == newest
        for note in play.notes:
            if note.seen(by):
                steps = (await memories.history(note.id, 100, None)).revisions
                assert [(step.memory.visibility, step.memory.target) for step in steps] == [
                    ("enterprise" if note.org != by.org else kind, target) for kind, target in note.history(by)
                ]
            else:
                with pytest.raises(NotFoundError, match=f"^there is no memory {note.id}$"):
                    await memories.history(note.id, 100, None)


async def _listed(memories: MemoryService, criteria: Criteria) -> list[Memory]:
    page = await memories.page(criteria, 4, None)
    listed = [*page.memories]
    while page.cursor:
        page = await memories.page(criteria, 4, page.cursor)
        listed += page.memories
    return listed


@given(world=worlds())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_everybody_sees_and_changes_what_the_rule_says(home: House, world: World) -> None:
    play = Play(home, world.callers)
    await home.open({by.org for by in world.callers})
    for step in world.steps:
        await play.step(step)
    await _searched(play, 100)  # the vector lane may lag behind: that costs rank, never secrecy
    await _read(play)
    await home.caught_up()
    await _searched(play, 3)
    await _each_lane(play)
