"""For whom a verified token stands, against the real record."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from sqlalchemy import text

from codingbrain import clock, ids
from codingbrain.access.keyring import Keyring
from codingbrain.access.people import People
from codingbrain.access.registry import Registry
from codingbrain.access.tokens import Holder, Signer, Tokens
from codingbrain.clock import DAY, SECOND, Micros
from codingbrain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidArgumentError,
    NotFoundError,
    UnauthenticatedError,
)
from codingbrain.identity.claims import Claims
from codingbrain.identity.grants import Grant, GrantKind
from codingbrain.identity.roles import Role
from codingbrain.identity.scopes import BASE, EVERYDAY, EVERYTHING, Scope
from codingbrain.record.orgs import settle_local_user
from codingbrain.record.schema import settle
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.settings import Issuer
from codingbrain.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

OPEN: Final = "https://open.example"
STRICT: Final = "https://strict.example"
JWKS: Final = "https://id.example/keys"
ISSUERS: Final = (
    Issuer(url=OPEN, jwks_url=JWKS, org="acme", new_users="reader"),
    Issuer(url=STRICT, jwks_url=JWKS, org="acme"),
)
OTHER: Final = "00000000-0000-7000-8000-000000000001"
PLATFORM: Final = Grant(GrantKind.TEAM, "platform")
BILLING: Final = Grant(GrantKind.PROJECT, "billing")


@dataclass(frozen=True, slots=True)
class World:
    """A record with the local owner, an org `acme`, and all that works on them."""

    record: SqliteRecord
    owner: Holder
    people: People
    tokens: Tokens
    registry: Registry
    changes: list[None]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.record.read(lambda connection: [tuple(row) for row in connection.execute(text(query))])

    async def issued(
        self, scopes: Iterable[Scope] | None = None, lifetime: Micros | None = None, *, user: Holder | None = None
    ) -> Claims:
        """The claims of a new token of the owner's, or of `user`."""
        whose = user or self.owner
        _, made = await self.tokens.issue("laptop", scopes, lifetime, user=user)
        scopes = frozenset(map(Scope, made.scopes))
        return Claims(
            "urn:uuid:1", str(whose.user), str(whose.org), "laptop", scopes, str(made.id),
            made.created_at, made.expires_at, made.jkt, None, frozenset(), local=True,
        )  # fmt: skip


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[World]:
    record, changes = SqliteRecord(data_dir / "record.db", Metrics()), list[None]()

    def changed() -> None:
        changes.append(None)

    async with record.running():
        await settle(record, data_dir / "record.db")
        user = await record.write_session(lambda session: settle_local_user(session, ids.uuid7, clock.now()))
        owner = Holder(user.org, user.id)
        signer = Signer(Keyring(data_dir, clock.now), "http://127.0.0.1:8765", clock.now, ids.uuid7)
        registry = Registry(record, clock.now, ids.uuid7, ISSUERS, changed)
        await registry.create("acme")
        people = People(record, clock.now, ids.uuid7, ISSUERS)
        yield World(record, owner, people, Tokens(record, owner, signer, changed), registry, changes)


def vouched(subject: str = "alice", issuer: str = OPEN, jti: str = "jti-1") -> Claims:
    """What an identity provider says."""
    now = clock.now()
    return Claims(issuer, subject, "acme", "editor", BASE, jti, now, now + DAY, None, None, frozenset(), local=False)


# --- tokens of this install ---


async def test_a_token_stands_for_its_user_as_the_record_has_them(world: World) -> None:
    claims = await world.issued(scopes=EVERYTHING)
    principal = await world.people.principal(claims)
    assert (principal.org, principal.user, principal.user_name) == (world.owner.org, world.owner.user, "owner")
    assert (principal.roles, principal.token_scopes, principal.client) == ({Role.OWNER}, EVERYTHING, "laptop")
    assert (principal.credential, principal.expires_at) == (claims.jti, claims.expires_at)
    await world.registry.grant("local", "owner", "team:platform")
    await world.registry.link("local", "acme")
    principal = await world.people.principal(claims)
    assert principal.grants == {PLATFORM}
    assert principal.pools == {await world.registry.org("acme")}


async def test_one_read_and_no_write_for_a_known_caller(world: World) -> None:
    claims = await world.issued()
    before = await world.rows("SELECT count(*) FROM clients")
    for _ in range(3):
        await world.people.principal(claims)
    assert await world.rows("SELECT count(*) FROM clients") == before == [(1,)]


@pytest.mark.parametrize(
    "wrong",
    [{"jti": OTHER}, {"jti": "no id"}, {"subject": OTHER}, {"org": OTHER}, {"client": "another"}],
    ids=str,
)
async def test_a_token_that_was_not_issued_like_this_is_refused(world: World, wrong: dict[str, str]) -> None:
    claims = await world.issued()
    await world.people.principal(claims)
    with pytest.raises(UnauthenticatedError):
        await world.people.principal(replace(claims, **wrong))


async def test_what_ends_a_token(world: World) -> None:
    await world.registry.add("local", "bob", "reader")
    claims = await world.issued(user=await world.registry.holder("local", "bob"))
    for end, mend in (
        (world.registry.disable("local", "bob"), world.registry.enable("local", "bob")),
        (world.registry.block("local", "laptop"), world.registry.unblock("local", "laptop")),
    ):
        await world.people.principal(claims)
        seen = len(world.changes)
        await end
        assert len(world.changes) == seen + 1
        with pytest.raises(UnauthenticatedError):
            await world.people.principal(claims)
        await mend
    await world.people.principal(claims)
    (token,) = await world.tokens.list()
    await world.tokens.revoke(token.id)
    with pytest.raises(UnauthenticatedError):
        await world.people.principal(claims)
    with pytest.raises(NotFoundError):
        await world.tokens.revoke(token.id)


async def test_dropping_the_keys_revokes_what_they_signed(world: World) -> None:
    claims = await world.issued()
    await world.tokens.rotate()
    await world.people.principal(claims)
    assert len(world.tokens.signing()) == 2
    await world.tokens.rotate(drop=True)
    assert len(world.tokens.signing()) == 1
    assert all(token.revoked_at for token in await world.tokens.list())
    with pytest.raises(UnauthenticatedError):
        await world.people.principal(claims)


async def test_a_token_carries_what_it_says(world: World) -> None:
    await world.registry.add("local", "bob", "reader")
    bob = await world.registry.holder("local", "bob")
    with pytest.raises(InvalidArgumentError, match="the role reader of bob does not allow memories:write"):
        await world.issued(user=bob, scopes=[Scope.MEMORIES_WRITE, Scope.MEMORIES_READ])
    everyday = await world.issued(user=bob)
    assert Scope.MEMORIES_READ in everyday.scopes < EVERYDAY
    assert (await world.people.principal(everyday)).scopes == everyday.scopes
    assert (await world.issued()).scopes == EVERYDAY
    with pytest.raises(InvalidArgumentError, match="at least one"):
        await world.issued(scopes=[])
    for lifetime in (0, -1, 3_651 * DAY):
        with pytest.raises(InvalidArgumentError, match="3650 days"):
            await world.issued(lifetime=lifetime)
    short = await world.issued(lifetime=90 * SECOND + 1)
    assert (short.expires_at - short.issued_at) == 90 * SECOND


async def test_no_token_for_whoever_could_not_use_it(world: World) -> None:
    await world.registry.add("local", "bob", "reader")
    bob = await world.registry.holder("local", "bob")
    await world.issued(user=bob)
    await world.registry.block("local", "laptop")
    with pytest.raises(ConflictError, match="laptop is blocked"):
        await world.issued(user=bob)
    await world.registry.unblock("local", "laptop")
    await world.registry.disable("local", "bob")
    with pytest.raises(ConflictError, match="bob is disabled"):
        await world.issued(user=bob)
    with pytest.raises(NotFoundError):
        await world.issued(user=Holder(world.owner.org, ids.uuid7()))


async def test_the_local_owner_is_who_the_record_says_and_no_more(world: World) -> None:
    await world.registry.grant("local", "owner", "project:billing")
    owner = await world.people.local()
    assert (owner.user, owner.client, owner.grants) == (world.owner.user, "stdio", {BILLING})
    assert owner.scopes == EVERYDAY
    await world.registry.add("local", "second", "owner")
    await world.registry.disable("local", "owner")
    assert (await world.people.local()).scopes == frozenset()


# --- identity providers ---


async def test_a_new_subject_becomes_a_user_once(world: World) -> None:
    found = set[Any]()

    async def enter(number: int) -> None:
        found.add((await world.people.principal(vouched(jti=f"{number}"))).user)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(enter, number)
    assert len(found) == 1
    (alice,) = await world.registry.users("acme")
    assert (alice.name, alice.role, alice.identities) == ("alice@open.example", "reader", (f"{OPEN} alice",))
    assert [client.name for client in await world.registry.clients("acme")] == ["editor"]
    entries = await world.rows("SELECT action, object, client FROM audit WHERE action = 'user.add'")
    assert entries == [("user.add", f"user:{alice.pseudonym}", "editor")]


async def test_a_subject_never_gets_the_name_or_the_rights_of_somebody_else(world: World) -> None:
    await world.registry.add("acme", "alice", "owner")
    await world.registry.add("acme", "bob@open.example", "owner")
    await world.registry.add("acme", "bob", "owner")
    taken = {user.id for user in await world.registry.users("acme")}
    for subject, name in (("alice", "alice@open.example"), ("bob", None), ("x" * 255, None)):
        principal = await world.people.principal(vouched(subject))
        assert principal.user not in taken
        assert principal.user_name == (name or str(principal.user))
        assert principal.roles == {Role.READER}


async def test_a_stranger_is_told_so_and_a_bound_one_is_who_they_were_bound_to(world: World) -> None:
    claims = vouched("carol", STRICT)
    with pytest.raises(ForbiddenError, match="no user here"):
        await world.people.principal(claims)
    assert await world.registry.clients("acme") == []
    await world.registry.add("acme", "carol", "developer")
    await world.registry.bind("acme", "carol", STRICT, "carol")
    principal = await world.people.principal(claims)
    assert (principal.user_name, principal.roles) == ("carol", {Role.DEVELOPER})
    with pytest.raises(ForbiddenError):
        await world.people.principal(replace(claims, subject="Carol"))
    with pytest.raises(ConflictError):
        await world.registry.bind("acme", "carol", STRICT, "carol")
    with pytest.raises(InvalidArgumentError, match=OPEN):
        await world.registry.bind("acme", "carol", "https://typo.example", "carol")
    await world.registry.create("elsewhere")
    await world.registry.add("elsewhere", "carol", "developer")
    with pytest.raises(InvalidArgumentError, match="does not speak for elsewhere"):
        await world.registry.bind("elsewhere", "carol", STRICT, "carol")


async def test_what_the_issuer_says_of_roles_replaces_and_of_grants_adds(world: World) -> None:
    claims = replace(vouched(), scopes=EVERYTHING)
    await world.people.principal(claims)
    await world.registry.grant("acme", "alice@open.example", "team:platform")
    principal = await world.people.principal(replace(claims, grants=frozenset({BILLING})))
    assert (principal.roles, principal.grants) == ({Role.READER}, {PLATFORM, BILLING})
    principal = await world.people.principal(replace(claims, roles=frozenset({Role.AUDITOR})))
    assert principal.scopes == {Scope.AUDIT_READ, Scope.STATS_READ, Scope.ADMIN_READ}
    assert (await world.people.principal(replace(claims, roles=frozenset()))).scopes == frozenset()


async def test_an_issuers_token_is_revoked_by_its_id_in_one_org(world: World) -> None:
    await world.people.principal(vouched())
    acme = await world.registry.org("acme")
    await world.tokens.deny(OPEN, "jti-1")  # in the local org, where it means nothing
    await world.people.principal(vouched())
    await world.tokens.deny(OPEN, "jti-1", org=acme)
    with pytest.raises(UnauthenticatedError):
        await world.people.principal(vouched())
    await world.people.principal(vouched(jti="jti-2"))
    with pytest.raises(ConflictError):
        await world.tokens.deny(OPEN, "jti-1", org=acme)
    for issuer, jti in ((OPEN, ""), (OPEN, "a\nb"), ("", "1"), (OPEN, "x" * 256)):
        with pytest.raises(InvalidArgumentError):
            await world.tokens.deny(issuer, jti)


async def test_an_org_that_does_not_exist_is_like_any_bad_token(world: World) -> None:
    with pytest.raises(UnauthenticatedError):
        await world.people.principal(replace(vouched(), org="nowhere"))


async def test_a_blocked_client_brings_nobody_in_and_makes_no_user(world: World) -> None:
    await world.people.principal(vouched())
    await world.registry.block("acme", "editor")
    with pytest.raises(UnauthenticatedError):
        await world.people.principal(vouched("mallory"))
    assert [user.name for user in await world.registry.users("acme")] == ["alice@open.example"]
