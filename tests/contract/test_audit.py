"""The audit log in the record: append-only, sealed, bounded, and verified to the row."""

import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest
from sqlalchemy import func, select
from sqlmodel import col

from codingbrain import clock, ids
from codingbrain.access import chain, trail
from codingbrain.access.auditor import Auditor, Review, Stretch
from codingbrain.access.chain import Fault, Place
from codingbrain.access.trail import Trail
from codingbrain.domain.audit import NO_ORG, Entry, Sought
from codingbrain.errors import InvalidCursorError
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.record import audit, users
from codingbrain.record.orgs import settle_local_user
from codingbrain.record.schema import settle
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.tables import AuditRow
from codingbrain.record.unit import TenantRecord
from codingbrain.retrieval.cursor import Seal
from codingbrain.telemetry import context
from codingbrain.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

KEY = secrets.token_bytes(32)
ORG = ids.uuid7()


@pytest.fixture
def path(data_dir: Path) -> Path:
    return data_dir / "record.db"


@pytest.fixture
async def record(path: Path) -> AsyncIterator[SqliteRecord]:
    record = SqliteRecord(path, Metrics())
    async with record.running():
        await settle(record, path)
        yield record


@pytest.fixture
def log(record: SqliteRecord) -> Trail:
    return Trail(record, KEY, clock.now)


def entry(number: int, **other: Any) -> Entry:  # noqa: ANN401 - any field
    return replace(Entry(clock.now(), ORG, "memory.created", object=f"memory:{UUID(int=number)}"), **other)


async def add(record: SqliteRecord, *entries: Entry) -> None:
    await record.write_session(lambda session: audit.add_all(session, entries))


async def count(record: SqliteRecord, **wanted: object) -> int:
    """How many rows have these values."""
    columns = [col(getattr(AuditRow, name)) == value for name, value in wanted.items()]
    query = select(func.count()).select_from(AuditRow).where(*columns)
    return await record.read(lambda connection: connection.execute(query).scalar_one())


async def verified(record: SqliteRecord, org: UUID = ORG, heads: tuple[str, ...] = (), key: bytes = KEY) -> Stretch:
    reader, place, seen = Auditor(record, key, clock.now), Place(org), frozenset[str]()
    while True:
        found = await reader.follow(place, heads)
        place, seen = found.place, seen | found.heads
        if found.done:
            return replace(found, heads=seen)


async def three_seals(record: SqliteRecord, log: Trail) -> None:
    """Ten entries under each, with entries of another org in between."""
    for start in (0, 10, 20):
        for number in range(start, start + 10):
            await add(record, entry(number), entry(number, org=NO_ORG))
        await log.seal()


# --- sealing ---


async def test_everything_gets_under_a_seal_in_order(record: SqliteRecord, log: Trail) -> None:
    await three_seals(record, log)
    await add(record, entry(99))
    found = await verified(record)
    assert (found.broken, found.place.number, found.place.entries, found.unsealed) == (None, 3, 30, 1)
    assert (await verified(record, NO_ORG)).place.entries == 30
    assert await Auditor(record, KEY, clock.now).chains() == {NO_ORG: None, ORG: None}


async def test_many_entries_become_many_seals(record: SqliteRecord, log: Trail) -> None:
    await add(record, *(entry(number) for number in range(2 * chain.MOST + 7)))
    await log.seal()
    found = await verified(record)
    assert (found.place.number, found.place.entries, found.unsealed) == (3, 2 * chain.MOST + 7, 0)


async def test_sealing_while_others_write_loses_and_doubles_nothing(record: SqliteRecord, log: Trail) -> None:
    async def write(start: int) -> None:
        for number in range(start, start + 50):
            await add(record, entry(number))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for start in range(0, 400, 50):
                tasks.start_soon(write, start)
            for _ in range(10):
                await log.seal()
    await log.seal()
    found = await verified(record)
    assert (found.broken, found.place.entries, found.unsealed) == (None, 400, 0)


async def test_a_long_chain_is_verified_in_stretches(record: SqliteRecord, log: Trail) -> None:
    await add(record, *(entry(number) for number in range(9_000)))
    await log.seal()
    reader, place, stretches = Auditor(record, KEY, clock.now, stretch=1_000), Place(ORG), 0
    while not (found := await reader.follow(place)).done:
        place, stretches = found.place, stretches + 1
    assert (found.broken, found.place.entries, stretches) == (None, 9_000, 3)


# --- tampering, by somebody who can write the database but has not the key ---


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE audit SET outcome = 'forbidden' WHERE seq = :any", (2, Fault.CHANGED)),
        ("UPDATE audit SET actor = :nil WHERE seq = :any", (2, Fault.CHANGED)),
        ("UPDATE audit SET seq = 100000 WHERE seq = :any", (2, Fault.CHANGED)),
        ("DELETE FROM audit WHERE seq = :any", (2, Fault.ENTRY_MISSING)),
        ("UPDATE audit SET seal = NULL WHERE seq = :any", (2, Fault.ENTRY_MISSING)),
        ("UPDATE audit SET seal = 3 WHERE seq = :any", (2, Fault.ENTRY_MISSING)),
        (
            "INSERT INTO audit (org, at, action, outcome, times, seal) VALUES (:org, 1, 'memory.created', 'ok', 1, 2)",
            (2, Fault.ENTRY_ADDED),
        ),
        (
            "INSERT INTO audit (org, at, action, outcome, times, seal) VALUES (:org, 1, 'memory.created', 'ok', 1, 9)",
            (9, Fault.SEAL_UNKNOWN),
        ),
        (
            "INSERT INTO audit (org, at, action, outcome, times, seal) VALUES (:org, 1, 'memory.created', 'ok', 1, 0)",
            (0, Fault.SEAL_UNKNOWN),
        ),
        ("DELETE FROM audit_seals WHERE org = :org AND number = 2", (2, Fault.SEAL_MISSING)),
        ("DELETE FROM audit_seals WHERE org = :org AND number = 3", (3, Fault.SEAL_UNKNOWN)),
        ("DELETE FROM audit_seals WHERE org = :org", (1, Fault.SEAL_UNKNOWN)),
        ("UPDATE audit_seals SET number = number % 3 + 11 WHERE org = :org", (1, Fault.SEAL_MISSING)),
        ("UPDATE audit_seals SET at = at + 1 WHERE org = :org AND number = 2", (2, Fault.CHANGED)),
        ("UPDATE audit_seals SET entries = 9 WHERE org = :org AND number = 2", (2, Fault.ENTRY_ADDED)),
        ("UPDATE audit_seals SET entries = 1000000000 WHERE org = :org AND number = 2", (2, Fault.ENTRY_MISSING)),
        ("UPDATE audit_seals SET digest = zeroblob(32) WHERE org = :org AND number = 2", (2, Fault.CHANGED)),
        ("UPDATE audit_seals SET previous = zeroblob(32) WHERE org = :org AND number = 2", (2, Fault.SEAL_MOVED)),
        ("UPDATE audit SET org = :org WHERE org = :nil", (1, Fault.ENTRY_ADDED)),
    ],
)
async def test_tampering_is_found(
    record: SqliteRecord, log: Trail, path: Path, statement: str, where: tuple[int, Fault]
) -> None:
    await three_seals(record, log)
    forge(path, statement)
    broken = (await verified(record)).broken
    assert broken is not None
    assert (broken.seal, broken.fault) == where


async def test_seals_that_changed_places_are_found(record: SqliteRecord, log: Trail, path: Path) -> None:
    await three_seals(record, log)
    forge(
        path,
        "UPDATE audit_seals SET number = -1 WHERE org = :org AND number = 2",
        "UPDATE audit_seals SET number = 2 WHERE org = :org AND number = 3",
        "UPDATE audit_seals SET number = 3 WHERE org = :org AND number = -1",
    )
    broken = (await verified(record)).broken
    assert broken is not None
    assert (broken.seal, broken.fault) == (2, Fault.SEAL_MOVED)


async def test_another_key_does_not_do(record: SqliteRecord, log: Trail) -> None:
    await three_seals(record, log)
    broken = (await verified(record, key=bytes(32))).broken
    assert broken is not None
    assert broken.fault is Fault.CHANGED_OR_OTHER_KEY


async def test_a_chain_that_was_cut_is_found_by_a_head_noted_earlier(
    record: SqliteRecord, log: Trail, path: Path
) -> None:
    """Whoever can write the database can cut the end off, and have the server seal other entries in its place."""
    await three_seals(record, log)
    head = (await verified(record)).place.digest.hex()
    await add(record, entry(50))
    await log.seal()
    assert (await verified(record, heads=(head,))).heads == {head}
    forge(
        path,
        "DELETE FROM audit_seals WHERE org = :org AND number >= 3",
        "UPDATE audit SET seal = NULL WHERE org = :org AND seal >= 3",
    )
    forge(path, "DELETE FROM audit WHERE org = :org AND seal IS NULL AND seq % 4 = 1")
    await log.seal()
    found = await verified(record, heads=(head,))
    assert (found.broken, found.heads) == (None, frozenset())


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit",
        "DELETE FROM audit_seals",
        "UPDATE audit SET outcome = 'ok'",
        "UPDATE audit SET seal = 1",
        "UPDATE audit SET seal = NULL",
        "UPDATE audit_seals SET at = 1",
    ],
)
async def test_the_database_itself_refuses_changes(
    record: SqliteRecord, log: Trail, path: Path, statement: str
) -> None:
    await three_seals(record, log)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)


def forge(path: Path, *statements: str) -> None:
    """Change the file as somebody would who knows about the triggers."""
    with closing(sqlite3.connect(path)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        some = connection.execute("SELECT min(seq) + 4 FROM audit WHERE org = ? AND seal = 2", [ORG.hex]).fetchone()
        given = {"org": ORG.hex, "nil": NO_ORG.hex, "any": some[0]}
        for statement in statements:
            assert connection.execute(statement, given).rowcount > 0
        connection.commit()


# --- refusals ---


async def test_a_flood_of_refusals_makes_few_rows(record: SqliteRecord, log: Trail) -> None:
    for number in range(10_000):
        log.denied(None, "auth", "unauthenticated")
        log.refused(entry(number, outcome="forbidden"))
        log.refused(Entry(number, ids.uuid7(), f"tool{number}", "forbidden"))
    await log.write()
    assert await count(record) == 1 + trail.MOST_OF_ACTOR + trail.MOST + 2
    assert await count(record, action="auth", times=10_000) == 1
    assert await count(record, outcome="forbidden", action="memory.created") == trail.MOST_OF_ACTOR
    told = select(func.sum(AuditRow.times))
    assert await record.read(lambda connection: connection.execute(told).scalar_one()) == 30_000
    assert await count(record, action=trail.DROPPED) == 2


def caller(org: UUID = ORG) -> Principal:
    return Principal(org, ids.uuid7(), "someone", "app", EVERYTHING, pseudonym=ids.uuid7())


def crowd(log: Trail, who: Principal, outcome: str = "version_conflict") -> None:
    """What one user does who wants every place: failed items with ids of their choice, and refusals of all kinds."""
    for number in range(300):
        log.denied(who, "memory.updated", outcome, f"memory:{UUID(int=number)}")
        log.denied(who, f"tool{number}", "insufficient_scope")


async def test_one_user_cannot_crowd_out_another(record: SqliteRecord, log: Trail) -> None:
    mallory, eve = caller(), caller()
    crowd(log, mallory)
    log.denied(eve, "delete_all_memories", "insufficient_scope")
    log.denied(eve, "memory.deleted", "forbidden", "memory:1")
    await log.write()
    assert await count(record, actor=eve.pseudonym, action="delete_all_memories") == 1
    assert await count(record, actor=eve.pseudonym, object="memory:1") == 1
    assert await count(record, actor=mallory.pseudonym, action="memory.updated") == trail.MOST_OF_ACTOR
    assert await count(record, actor=mallory.pseudonym, outcome="insufficient_scope") == trail.MOST_OF_ACTOR
    lost = 2 * (300 - trail.MOST_OF_ACTOR)
    assert await count(record, org=ORG, actor=mallory.pseudonym, action=trail.DROPPED, times=lost) == 1
    assert await count(record, action=trail.DROPPED) == 1


async def test_users_of_an_org_cannot_crowd_out_the_first_refusal_of_another(record: SqliteRecord, log: Trail) -> None:
    many = [caller() for _ in range(trail.MOST_OF_ORG // trail.MOST_OF_ACTOR)]
    for each in many:
        crowd(log, each)
    eve = caller()
    log.denied(eve, "one", "forbidden")
    log.denied(eve, "two", "forbidden")
    await log.write()
    assert await count(record, actor=eve.pseudonym, action="one") == 1
    assert await count(record, org=ORG, actor=None, action=trail.DROPPED, times=1) == 1
    assert await count(record) == 2 * trail.MOST_OF_ORG + 1 + len(many) + 1


async def test_all_together_are_bounded_and_unknown_callers_have_their_own_places(
    record: SqliteRecord, log: Trail
) -> None:
    for number in range(200):
        crowd(log, caller(ids.uuid7()))
        log.denied(None, f"tool{number}", "unauthenticated")
    await log.write()
    users = trail.MOST // trail.MOST_OF_ACTOR
    assert await count(record, outcome="unauthenticated") == trail.MOST_UNKNOWN
    assert await count(record) == 2 * trail.MOST + trail.MOST_UNKNOWN + users + 1
    assert await count(record, org=NO_ORG, action=trail.DROPPED) == 1


async def test_items_that_are_not_there_are_one_line(record: SqliteRecord, log: Trail) -> None:
    who = caller()
    crowd(log, who, "not_found")
    await log.write()
    assert await count(record, action="memory.updated", outcome="not_found", object=None, times=300) == 1


async def test_what_was_dropped_waits_with_its_user_for_a_record_that_failed(path: Path) -> None:
    record, who = SqliteRecord(path, Metrics()), caller()
    async with record.running():
        await settle(record, path)
        log = Trail(record, KEY, clock.now)
        moved = await anyio.Path(path).rename(path.with_suffix(".away"))
        for _ in range(3):
            crowd(log, who)
            await log.write()
        await moved.rename(path)
        await log.write()
        assert await count(record) == 2 * trail.MOST_OF_ACTOR + 1
        lost = 3 * 2 * (300 - trail.MOST_OF_ACTOR)
        assert await count(record, actor=who.pseudonym, action=trail.DROPPED, times=lost) == 1


async def test_an_id_that_the_caller_chose_cannot_pass_for_one_made_here(record: SqliteRecord, log: Trail) -> None:
    made, who = context.new_request_id(), caller()
    token, choice = context.request_id.set(made), context.chosen.set(False)
    try:
        for action, chosen in (("made", False), ("chosen", True)):
            context.chosen.set(chosen)
            log.denied(who, action, "forbidden")
            await TenantRecord(record, who).write(
                lambda unit, action=action: audit.add(
                    unit.session, Entry(1, ORG, f"{action}.done", request_id=unit.request_id)
                )
            )
    finally:
        context.request_id.reset(token)
        context.chosen.reset(choice)
    await log.write()
    for action, shown in (("made", made), ("chosen", f"client:{made}")):
        assert await count(record, action=action, request_id=shown) == 1
        assert await count(record, action=f"{action}.done", request_id=shown) == 1


async def test_what_a_caller_put_into_a_name_is_tamed(record: SqliteRecord, log: Trail) -> None:
    log.refused(entry(1, action="\ud800\0\n" + "x" * 500, client="me\u202e", outcome="forbidden"))
    await log.write()
    (line,) = (await Auditor(record, KEY, clock.now).page(ORG, Sought(), None, 10))[0]
    assert (line.entry.action, line.entry.client) == ("???" + "x" * 197, "me?")


async def test_a_record_that_fails_costs_no_refusal_and_no_server(path: Path) -> None:
    record = SqliteRecord(path, Metrics())
    async with record.running():
        await settle(record, path)
        log = Trail(record, KEY, clock.now)
        moved = await anyio.Path(path).rename(path.with_suffix(".away"))
        log.denied(None, "auth", "unauthenticated")
        await log.write()
        log.denied(None, "auth", "unauthenticated")
        await log.seal()
        await moved.rename(path)
        await log.write()
        assert await count(record, times=2) == 1
        await log.write()
        assert await count(record) == 1


async def test_what_no_record_takes_is_given_up(record: SqliteRecord, log: Trail) -> None:
    log.refused(entry(1, at=1 << 70))
    await log.write()
    log.denied(None, "auth", "unauthenticated")
    await log.write()
    assert await count(record) == 1


async def test_it_writes_by_itself_and_seals_when_it_ends(record: SqliteRecord, log: Trail) -> None:
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(log.run)
            log.denied(None, "auth", "unauthenticated")
            while not await count(record):
                await anyio.lowlevel.checkpoint()
            log.denied(None, "auth", "invalid_dpop_proof")
            tasks.cancel_scope.cancel()
    found = await verified(record, NO_ORG)
    assert (found.place.entries, found.unsealed) == (2, 0)


# --- reading ---


async def test_pages_follow_each_other_and_reading_is_logged(record: SqliteRecord) -> None:
    reader = caller()
    seal = Seal(b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", clock.now)
    review = Review(Auditor(record, KEY, clock.now), seal, reader)
    await add(record, *(entry(number, outcome="ok" if number % 3 else "forbidden") for number in range(20)))
    sought, seen, cursor = Sought(outcome="forbidden"), list[str | None](), None
    while True:
        page = await review.page(sought, 2, cursor)
        seen += [line.entry.object for line in page.lines]
        if (cursor := page.cursor) is None:
            break
    assert seen == [f"memory:{UUID(int=number)}" for number in range(18, -1, -3)]
    assert await count(record, action="audit.read", actor=reader.pseudonym) == 4
    first = await review.page(sought, 2, None)
    for other in (replace(reader, org=ids.uuid7()), replace(reader, user=ids.uuid7())):
        with pytest.raises(InvalidCursorError):
            await Review(Auditor(record, KEY, clock.now), seal, other).page(sought, 2, first.cursor)
    with pytest.raises(InvalidCursorError):
        await review.page(Sought(), 2, first.cursor)


async def test_a_page_looks_through_a_bounded_part(record: SqliteRecord) -> None:
    await add(record, entry(0, action="rare"), *(entry(number) for number in range(audit.SCANNED + 5)))
    reader = Auditor(record, KEY, clock.now)
    lines, before = await reader.page(ORG, Sought(action="rare"), None, 10)
    assert lines == []
    assert before is not None
    lines, before = await reader.page(ORG, Sought(action="rare"), before, 10)
    assert ([line.entry.action for line in lines], before) == (["rare"], None)


async def test_times_are_half_open(record: SqliteRecord) -> None:
    await add(record, *(entry(at, at=at) for at in (1, 2, 3)))
    lines, _ = await Auditor(record, KEY, clock.now).page(ORG, Sought(since=1, until=3), None, 10)
    assert [line.entry.at for line in lines] == [2, 1]


async def test_an_erased_user_is_no_longer_found_and_the_log_still_holds(record: SqliteRecord, log: Trail) -> None:
    user = await record.write_session(lambda session: settle_local_user(session, ids.uuid7, clock.now()))
    before = user.pseudonym
    await add(record, Entry(1, user.org, "memory.created", actor=before))
    await log.seal()
    assert await record.write_session(lambda session: audit.disown(session, user.org, user.id, ids.uuid7()))
    assert not await record.write_session(lambda session: audit.disown(session, ids.uuid7(), user.id, ids.uuid7()))
    known = await record.read_session(lambda session: [each.pseudonym for each in users.every(session, user.org)])
    assert before not in known
    found = await verified(record, user.org)
    assert (found.broken, found.place.entries) == (None, 1)
    assert await count(record, actor=before) == 1
