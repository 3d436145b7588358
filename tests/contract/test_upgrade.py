"""What earlier releases wrote is there after an upgrade."""

import stat
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, text

from codingbrain import clock, ids
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import EVERYTHING
from codingbrain.record import migrate, schema
from codingbrain.record.memories import Memories
from codingbrain.record.orgs import settle_local_user
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.record.unit import TenantRecord
from codingbrain.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

ORG, USER, MEMORY = (ids.uuid7() for _ in range(3))
AT: Final = 1_700_000_000_000_000

FIRST: Final[dict[str, list[dict[str, Any]]]] = {
    "orgs": [{"id": ORG.hex, "name": "local", "created_at": AT}],
    "users": [{"org": ORG.hex, "id": USER.hex, "name": "owner", "created_at": AT}],
    "tokens": [
        {
            "org": ORG.hex,
            "id": ids.uuid7().hex,
            "user": USER.hex,
            "client": "laptop",
            "scopes": "memories:read",
            "digest": b"digest",
            "created_at": AT,
            "expires_at": None,
            "revoked_at": None,
        }
    ],
    "memories": [
        {
            "org": ORG.hex,
            "id": MEMORY.hex,
            "version": 1,
            "owner": USER.hex,
            "audience": f"user:{USER}",
            "visibility": "user",
            "text": "the build runs on two cores",
            "digest": b"digest",
            "evidence": "[]",
            "created_at": AT,
            "updated_at": AT,
            "state": "active",
            "pinned": False,
        }
    ],
    "memory_tags": [{"org": ORG.hex, "memory": MEMORY.hex, "tag": "build"}],
    "memory_entities": [{"org": ORG.hex, "memory": MEMORY.hex, "ordinal": 0, "name": "CI"}],
    "memory_code": [{"org": ORG.hex, "memory": MEMORY.hex, "ordinal": 0, "path": "Makefile"}],
    "memory_revisions": [
        {
            "org": ORG.hex,
            "memory": MEMORY.hex,
            "version": 1,
            "event": "created",
            "at": AT,
            "user": USER.hex,
            "client": "stdio",
            "snapshot": "{}",
        }
    ],
}
"""Rows by table, as release 0.1 wrote them."""


def fill(connection: Connection) -> None:
    migrate.upgrade(connection, "0001")
    for table, rows in FIRST.items():
        names = ", ".join(f'"{name}"' for name in rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), rows)  # noqa: S608 - names are ours


def counts(connection: Connection) -> dict[str, int]:
    kept = [table for table in FIRST if table != "tokens"]
    return {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in kept}  # noqa: S608 - the same


async def test_the_first_release_upgrades_with_all_that_it_kept(data_dir: Path) -> None:
    path = data_dir / "record.db"
    record = SqliteRecord(path, Metrics())
    async with record.running():
        await record.write(fill)
        assert await schema.settle(record, path)
        assert await record.read(schema.revision_of) == schema.HEAD
        assert await record.read(counts) == {table: len(rows) for table, rows in FIRST.items() if table != "tokens"}
        assert await record.read(lambda connection: connection.execute(text("PRAGMA foreign_key_check")).all()) == []
        user = await record.write_session(lambda session: settle_local_user(session, ids.uuid7, clock.now()))
        assert (user.org, user.id, user.role, user.disabled_at) == (ORG, USER, "owner", None)
        assert user.pseudonym.int
        own = TenantRecord(record, Principal(user.org, user.id, user.name, "stdio", EVERYTHING))
        memory = await own.read(lambda unit: Memories(unit).get(MEMORY))
        assert memory is not None
        assert (memory.tags, memory.entities, [ref.path for ref in memory.code]) == (("build",), ("CI",), ["Makefile"])
    (snapshot,) = (data_dir / "snapshots").iterdir()
    assert stat.S_IMODE(snapshot.stat().st_mode) == 0o600
    former = SqliteRecord(snapshot, Metrics())
    async with former.running():
        assert await former.read(schema.revision_of) == "0001"
