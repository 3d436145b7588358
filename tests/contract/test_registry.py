"""Orgs, users and clients as operators change them: what is refused, and what the audit log says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from codingbrain import clock, ids
from codingbrain.access.registry import Registry
from codingbrain.errors import CodingbrainError, ConflictError, InvalidArgumentError, NotFoundError
from codingbrain.record.orgs import settle_local_user
from codingbrain.record.schema import settle
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

Act = Callable[[Registry], Awaitable[None]]


@pytest.fixture
async def record(data_dir: Path) -> AsyncIterator[SqliteRecord]:
    record = SqliteRecord(data_dir / "record.db", Metrics())
    async with record.running():
        await settle(record, data_dir / "record.db")
        await record.write_session(lambda session: settle_local_user(session, ids.uuid7, clock.now()))
        yield record


@pytest.fixture
async def registry(record: SqliteRecord) -> Registry:
    registry = Registry(record, clock.now, ids.uuid7, (), lambda: None)
    await registry.create("pool")
    await registry.link("local", "pool")
    await registry.add("local", "bob", "reader")
    await registry.grant("local", "bob", "team:platform")
    return registry


REFUSED: Final[tuple[tuple[str, Act, type[CodingbrainError]], ...]] = (
    ("org twice", lambda on: on.create("pool"), ConflictError),
    ("org blank", lambda on: on.create(" "), InvalidArgumentError),
    ("org with a control character", lambda on: on.create("a\x1bb"), InvalidArgumentError),
    ("org too long", lambda on: on.create("x" * 201), InvalidArgumentError),
    ("link twice", lambda on: on.link("local", "pool"), ConflictError),
    ("link to itself", lambda on: on.link("pool", "pool"), ConflictError),
    ("link to nowhere", lambda on: on.link("local", "nowhere"), NotFoundError),
    ("link from nowhere", lambda on: on.link("nowhere", "pool"), NotFoundError),
    ("unlink what is not linked", lambda on: on.unlink("pool", "local"), NotFoundError),
    ("user twice", lambda on: on.add("local", "bob", "reader"), ConflictError),
    ("user that looks the same", lambda on: on.add("local", "bob ", "reader"), InvalidArgumentError),
    ("user without a role", lambda on: on.add("local", "eve", "king"), InvalidArgumentError),
    ("user nowhere", lambda on: on.add("nowhere", "eve", "reader"), NotFoundError),
    ("role of nobody", lambda on: on.role("local", "eve", "reader"), NotFoundError),
    ("role in another org", lambda on: on.role("pool", "bob", "reader"), NotFoundError),
    ("same role", lambda on: on.role("local", "bob", "reader"), ConflictError),
    ("grant twice", lambda on: on.grant("local", "bob", "team:platform"), ConflictError),
    ("grant of an org", lambda on: on.grant("local", "bob", "team:pool/platform"), InvalidArgumentError),
    ("grant of nothing", lambda on: on.grant("local", "bob", "platform"), InvalidArgumentError),
    ("ungrant what is not granted", lambda on: on.ungrant("local", "bob", "team:other"), NotFoundError),
    ("last owner demoted", lambda on: on.role("local", "owner", "admin"), ConflictError),
    ("last owner disabled", lambda on: on.disable("local", "owner"), ConflictError),
    ("enable whoever is not disabled", lambda on: on.enable("local", "bob"), ConflictError),
    ("bind to an issuer that is not configured", lambda on: on.bind("local", "bob", "x", "y"), InvalidArgumentError),
    ("block a client that was never there", lambda on: on.block("local", "ghost"), NotFoundError),
)


@pytest.mark.parametrize(("act", "error"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_what_is_refused_changes_nothing(
    record: SqliteRecord, registry: Registry, act: Act, error: type[CodingbrainError]
) -> None:
    def everything() -> Awaitable[list[object]]:
        tables = ("orgs", "org_links", "users", "grants", "identities", "clients", "audit")
        queries = [text(f"SELECT * FROM {table}") for table in tables]  # noqa: S608 - the names stand above
        return record.read(lambda connection: [connection.execute(query).all() for query in queries])

    before = await everything()
    with pytest.raises(error) as raised:
        await act(registry)
    assert "\n" not in raised.value.message
    assert await everything() == before


async def test_the_last_owner_goes_after_another_has_come(registry: Registry) -> None:
    await registry.role("local", "bob", "owner")
    await registry.disable("local", "owner")
    with pytest.raises(ConflictError, match="last owner"):
        await registry.role("local", "bob", "reader")
    await registry.enable("local", "owner")
    await registry.role("local", "bob", "reader")


async def test_a_disabled_owner_is_not_the_one_who_is_left(registry: Registry) -> None:
    await registry.role("local", "bob", "owner")
    await registry.disable("local", "bob")
    with pytest.raises(ConflictError, match="last owner"):
        await registry.disable("local", "owner")
    await registry.role("local", "bob", "reader")


async def test_every_act_is_in_the_log_of_its_org(record: SqliteRecord, registry: Registry) -> None:
    await registry.role("local", "bob", "developer")
    await registry.ungrant("local", "bob", "team:platform")
    await registry.disable("local", "bob")
    await registry.enable("local", "bob")
    await registry.unlink("local", "pool")
    pool, local = await registry.org("pool"), await registry.org("local")
    bob, *_ = await registry.users("local")
    rows = await record.read(
        lambda connection: connection.execute(text("SELECT org, action, object, actor, client FROM audit")).all()
    )
    assert {tuple(row[3:]) for row in rows} == {(None, "cli")}
    assert [(row.action, row.object) for row in rows if row.org == local.hex] == [
        ("org.link", f"org:{pool}"),
        *(
            (f"user.{action}", f"user:{bob.pseudonym}")
            for action in ("add", "grant", "role", "ungrant", "disable", "enable")
        ),
        ("org.unlink", f"org:{pool}"),
    ]
    assert [(row.action, row.object) for row in rows if row.org == pool.hex] == [("org.create", f"org:{pool}")]


async def test_names_are_kept_in_one_form(registry: Registry) -> None:
    await registry.add("local", "Jose\u0301", "reader")
    with pytest.raises(ConflictError):
        await registry.add("local", "Jos\u00e9", "reader")
    assert [user.name for user in await registry.users("local")] == ["Jos\u00e9", "bob", "owner"]
