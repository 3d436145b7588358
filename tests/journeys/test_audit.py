"""The audit log as operators and auditors meet it: what was done, what was refused, and whether anybody touched it."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from codingbrain.domain.audit import Sought
from codingbrain.identity.scopes import EVERYDAY, Scope
from tests.journeys.program import Program
from tests.journeys.served import Served, Serving, modern

pytestmark = pytest.mark.anyio


def light(command: Program) -> Program:
    """Without an embedding model, which costs a second of each start."""
    return replace(command, settings={**command.settings, "embedder_url": "none:"})


async def listed(command: Program, *options: str) -> list[dict[str, Any]]:
    done = await command.run("audit", "list", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def verified(command: Program, *options: str) -> dict[str, Any]:
    done = await command.run("audit", "verify", "--json", *options)
    told = json.loads(done.stdout)
    assert done.returncode == (0 if told["whole"] else 1), done.stderr
    return told


def deeds(entries: Iterable[dict[str, Any]]) -> list[tuple[str, str | None, str]]:
    """Oldest first."""
    return [(entry["action"], entry["object"], entry["outcome"]) for entry in entries][::-1]


@pytest.mark.proves("ID-11")
async def test_what_was_done_to_which_object_is_in_the_log(command: Program) -> None:
    command = light(command)
    async with command.stdio() as stdio:
        answer = await stdio.call("add_memories", text="the vault code is 7316")
        about = answer["result"]["structuredContent"]["results"][0]["id"]
        await stdio.call("update_memory", id=about, add_tags=["vault"])
        await stdio.call("update_memory", id=about, text="lost race", version=1)
        await stdio.call("delete_memories", ids=[about])
        await command.run("token", "issue", "--client", "laptop")
    await command.run("stop")
    entries = await listed(command, "--org", "local")
    object_ = f"memory:{about}"
    done = [deed for deed in deeds(entries) if deed[0].startswith("memory.")]
    assert sorted(done) == sorted(
        [
            ("memory.created", object_, "ok"),
            ("memory.updated", object_, "ok"),
            ("memory.updated", object_, "version_conflict"),
            ("memory.deleted", object_, "ok"),
        ]
    )
    assert "token.issue" in {entry["action"] for entry in entries}
    (owner,) = json.loads((await command.run("user", "list", "--json")).stdout)
    assert {entry["actor"] for entry in entries if entry["object"] == object_} == {owner["pseudonym"]}
    assert owner["id"] not in json.dumps(entries)
    assert "7316" not in json.dumps(entries)
    assert (await listed(command, "--org", "local", "--limit", "1"))[0]["action"] == "audit.read"
    told = await verified(command)
    assert {chain["org"]: chain["broken"] for chain in told["chains"]} == {"-": None, "local": None}
    assert (await command.run("audit", "verify", "--org", "nobody")).stderr.startswith("codingbrain: not_found: ")


# --- tampering ---

TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit%'"


def tamper(data: Path, statement: str, **given: object) -> None:
    """What somebody does who can write the database."""
    with closing(sqlite3.connect(data / "codingbrain.db")) as database:
        for (name,) in database.execute(TRIGGERS).fetchall():
            database.execute(f"DROP TRIGGER {name}")
        (given["org"],) = database.execute("SELECT id FROM orgs WHERE name = 'local'").fetchone()
        assert database.execute(statement, given).rowcount > 0
        database.commit()


@pytest.mark.proves("ID-11")
async def test_tampering_is_found_and_its_place_is_named(command: Program) -> None:
    """Each kind of it is tried in tests/contract/test_audit.py; here is what the operator sees."""
    command = light(command)
    for text in ("one", "two"):
        async with command.stdio() as stdio:
            await stdio.call("add_memories", text=text)
        await command.run("stop")  # the end of a host seals
    (chain,) = (await verified(command, "--org", "local"))["chains"]
    last, head = chain["seals"], chain["head"]
    assert (chain["broken"], last >= 2, chain["entries"] >= 2) == (None, True, True)
    assert (await command.run("audit", "verify", "--head", head)).returncode == 0

    tamper(command.data, "UPDATE audit SET outcome = 'denied' WHERE org = :org AND seal = :last", last=last)
    edited = await command.run("audit", "verify", "--org", "local")
    assert (edited.returncode, edited.stderr.startswith(f"BROKEN: local: seal {last} (entries ")) == (1, True)
    assert "an entry or the seal was changed" in edited.stderr
    assert (await verified(command))["chains"][-1]["broken"]["seal"] == last

    tamper(command.data, "DELETE FROM audit WHERE org = :org AND seal = :last", last=last)
    assert "an entry is missing" in (await command.run("audit", "verify", "--org", "local")).stderr
    tamper(command.data, "DELETE FROM audit_seals WHERE org = :org AND number = :last", last=last)
    assert (await verified(command))["missing_heads"] == []
    cut = await command.run("audit", "verify", "--head", head)
    assert (cut.returncode, cut.stderr.startswith(f"BROKEN: no seal has the digest {head}")) == (1, True)

    await command.run("stop")
    (command.data / "keys" / "audit.key").unlink()
    assert "keys/audit.key is not the key" in (await command.run("audit", "verify")).stderr


@pytest.mark.proves("ID-11")
async def test_what_was_acknowledged_is_in_the_log_of_a_host_that_was_killed(command: Program) -> None:
    command = light(command)
    kept: set[str] = set()
    async with command.stdio() as stdio:
        for number in range(20):
            answer = await stdio.call("add_memories", text=f"memory {number}")
            kept.add(f"memory:{answer['result']['structuredContent']['results'][0]['id']}")
        command.kill_host()
        await stdio.call("whoami")
    assert kept == {each["object"] for each in await listed(command, "--act", "memory.created")}
    await command.run("stop")
    (chain,) = (await verified(command, "--org", "local"))["chains"]
    assert (chain["broken"], chain["entries"] >= 20) == (None, True)


# --- over HTTP ---


def log(served: Served) -> None:
    """Write what waits a moment for others like it."""
    served.portal.call(served.runtime.trail.write)


@pytest.mark.proves("ID-11")
async def test_refusals_are_in_the_log_and_a_flood_of_them_makes_few_rows(serving: Serving) -> None:
    with serving() as served:
        text, id_ = served.token({Scope.MEMORIES_READ}, client="reader")
        operator, _ = served.token({Scope.AUDIT_READ}, client="auditor")
        add = modern("tools/call", "add_memories", arguments={"text": "the vault code is 7316"})
        async with served.http() as http:
            for number in range(100):
                bad = await http.post("/mcp", **with_token(add, f"forged.{number}.token"))
                assert bad.status_code == 401
            for _ in range(10):
                assert (await http.post("/mcp", **with_token(add, text))).status_code == 403
            assert (await http.get("/admin/audit", headers=bearer(text))).status_code == 403
            served.revoke(id_)
            assert (await http.post("/mcp", **with_token(add, text))).status_code == 401
            log(served)
            answer = await http.get("/admin/audit", headers=bearer(operator))
        assert answer.status_code == 200, answer.text
        entries = answer.json()["entries"]
        refused = {(each["client"], each["action"], each["outcome"]) for each in entries if each["outcome"] != "ok"}
        assert ("reader", "add_memories", "insufficient_scope") in refused
        assert sum(each["times"] for each in entries if each["action"] == "add_memories") == 10
        assert {"token.issue", "token.revoke", "audit.read"} <= {each["action"] for each in entries}
        lines, _ = served.portal.call(everything, served)
        assert sum(line.entry.times for line in lines if line.entry.outcome == "unauthenticated") >= 101
        assert len(lines) < 30
        told = repr(lines) + answer.text
        assert not any(secret in told for secret in (text, operator, "forged", "7316", "owner"))


async def everything(served: Served) -> Any:  # noqa: ANN401 - lines, and where more begin
    return await served.runtime.auditor.page(None, Sought(), None, 1_000)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def with_token(request: dict[str, Any], token: str) -> dict[str, Any]:
    return {**request, "headers": {**request["headers"], **bearer(token)}}


@pytest.mark.proves("ID-11")
async def test_an_auditor_reads_and_verifies_the_own_org(http_client: Served) -> None:
    writer, _ = http_client.token(EVERYDAY, client="pager")
    token, _ = http_client.token({Scope.AUDIT_READ}, client="auditor")
    async with http_client.http(writer) as http:
        http.headers["X-Request-ID"] = "mine-1"
        for number in range(5):
            await http.post("/mcp", **modern("tools/call", "add_memories", arguments={"text": f"audited {number}"}))
        unknown = str(uuid4())
        await http.post("/mcp", **modern("tools/call", "delete_memories", arguments={"ids": [unknown]}))
        assert (await http.get("/admin/audit")).status_code == 403
        assert (await http.get("/admin/audit/verify")).status_code == 403
    async with http_client.http(token) as http:
        seen, given = list[str](), set[str]()
        query = {"action": "memory.created", "outcome": "ok", "limit": "2"}
        while True:
            page = (await http.get("/admin/audit", params=query)).json()
            own = [each for each in page["entries"] if each["client"] == "pager"]
            seen += [each["object"] for each in own]
            given |= {each["request_id"] for each in own}
            if page["cursor"] is None:
                break
            query["cursor"] = page["cursor"]
        assert len(seen) == len(set(seen)) == 5
        assert given == {"client:mine-1"}
        log(http_client)
        failed = (await http.get("/admin/audit", params={"action": "memory.deleted", "outcome": "not_found"})).json()
        assert [each["object"] for each in failed["entries"] if each["client"] == "pager"] == [None]
        assert "client:mine-1" in {each["request_id"] for each in failed["entries"]}
        assert unknown not in json.dumps(failed)
        told = (await http.get("/admin/audit/verify")).json()
        assert (told["whole"], told["broken"], told["cursor"]) == (True, None, None)
        for wrong in ({"limit": "0"}, {"limit": "many"}, {"since": "soon"}, {"org": "local"}, {"cursor": "forged"}):
            assert (await http.get("/admin/audit", params=wrong)).status_code == 422, wrong
        none = await http.get("/admin/audit", params={"since": "2001-01-01T00:00:00Z", "until": "2001-01-02T00:00:00Z"})
        assert none.json() == {"entries": [], "cursor": None}
