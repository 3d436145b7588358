"""What operators do with orgs, users, clients, keys and tokens from the command line, and what it means for callers."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from joserfc.jwk import ECKey

from tests.journeys.program import START, Program
from tests.journeys.served import modern

pytestmark = pytest.mark.anyio

ADD: Final = modern("tools/call", "add_memories", arguments={"text": "the build runs on two cores"})
WHOAMI: Final = modern("tools/call", "whoami", arguments={})


def lean(command: Program) -> Program:
    """The command line of a server without an embedding model, which takes a second to load."""
    return Program(command.data, {**command.settings, "embedder_url": "none:"})


async def done(command: Program, *arguments: str) -> str:
    """What a command printed that had to work."""
    ran = await command.run(*arguments)
    assert (ran.returncode, ran.stderr if arguments[:2] != ("token", "issue") else "") == (0, ""), ran
    return ran.stdout


async def failed(command: Program, *arguments: str) -> str:
    """The one line of a command that had to fail, without the program's name."""
    ran = await command.run(*arguments)
    assert (ran.returncode, ran.stdout) == (1, ""), ran
    (line,) = ran.stderr.splitlines()
    return line.removeprefix("codingbrain: ")


async def listed(command: Program, *arguments: str) -> list[dict[str, Any]]:
    return json.loads(await done(command, *arguments, "--json"))


def payload(token: str) -> dict[str, Any]:
    part = token.strip().split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def statuses(url: str, token: str, *asked: dict[str, Any]) -> Sequence[int]:
    """What HTTP answers to each request."""
    headers = {"Authorization": f"Bearer {token.strip()}"}
    async with httpx2.AsyncClient(base_url=url, timeout=START, headers=headers) as http:
        return [(await http.post("/mcp", **each)).status_code for each in asked]


@pytest.mark.proves("ID-9")
async def test_orgs_and_users_are_made_changed_and_listed(command: Program) -> None:
    operator = lean(command)
    await done(operator, "org", "create", "acme")
    assert (await failed(operator, "org", "create", "acme")).startswith("conflict: ")
    await done(operator, "org", "link", "acme", "local")
    assert [(org["name"], org["pools"]) for org in await listed(operator, "org", "list")] == [
        ("acme", ["local"]),
        ("local", []),
    ]
    assert "acme  " in await done(operator, "org", "list")
    await done(operator, "org", "unlink", "acme", "local")
    await done(operator, "user", "add", "bob", "--org", "acme", "--role", "reader")
    await done(operator, "user", "role", "bob", "developer", "--org", "acme")
    await done(operator, "user", "grant", "bob", "team:platform", "--org", "acme")
    await done(operator, "user", "disable", "bob", "--org", "acme")
    (bob,) = await listed(operator, "user", "list", "--org", "acme")
    assert (bob["name"], bob["role"], bob["grants"]) == ("bob", "developer", ["team:platform"])
    assert bob["disabled_at"]
    await done(operator, "user", "enable", "bob", "--org", "acme")
    await done(operator, "user", "ungrant", "bob", "team:platform", "--org", "acme")
    assert (await done(operator, "user", "list", "--org", "acme")).startswith("bob  developer  ")
    for refused, why in (
        (("user", "disable", "owner"), "conflict: owner is the last owner"),
        (("user", "role", "bob", "king", "--org", "acme"), "invalid_argument: role: 'king' is not one of owner, "),
        (("user", "grant", "bob", "org:local", "--org", "acme"), "invalid_argument: "),
        (("user", "role", "bob", "reader"), "not_found: there is no user bob in local"),
        (("user", "list", "--org", "nowhere"), "not_found: there is no org nowhere"),
        (("user", "bind", "owner", "--issuer", "https://x", "--subject", "y"), "invalid_argument: issuer: "),
        (("client", "block", "ghost"), "not_found: "),
    ):
        assert (await failed(operator, *refused)).startswith(why)


@pytest.mark.proves("ID-9")
async def test_a_token_is_issued_for_any_user_and_bound_to_a_key(command: Program, data_dir: Path) -> None:
    operator = lean(command)
    await done(operator, "org", "create", "acme")
    await done(operator, "user", "add", "bob", "--org", "acme", "--role", "reader")
    bob = ("--org", "acme", "--user", "bob", "--client", "laptop")
    refused = await failed(operator, "token", "issue", *bob, "--scope", "memories:write")
    assert refused.startswith("invalid_argument: scope: the role reader of bob does not allow memories:write")
    plain = payload(await done(operator, "token", "issue", *bob))
    assert "memories:read" in plain["scope"].split()
    assert not [scope for scope in plain["scope"].split() if scope.endswith(":delete") or scope == "memories:write"]
    key, file = ECKey.generate_key("P-256"), data_dir / "key"
    for text in (json.dumps(key.as_dict(private=False)), key.as_pem(private=False).decode()):
        file.write_text(text, "utf-8")
        bound = payload(await done(operator, "token", "issue", *bob, "--dpop-key", str(file)))
        assert bound["cnf"] == {"jkt": key.thumbprint()}
    file.write_text(key.as_pem(private=True).decode(), "utf-8")
    assert "this is a private key" in await failed(operator, "token", "issue", *bob, "--dpop-key", str(file))
    missing = await failed(operator, "token", "issue", *bob, "--dpop-key", str(data_dir / "none"))
    assert missing.startswith("invalid_argument: --dpop-key: ")
    strict = Program(operator.data, {**operator.settings, "dpop": "required"})
    await done(operator, "stop")
    assert "dpop is required" in await failed(strict, "token", "issue", *bob)
    await done(operator, "stop")
    first, *others = await listed(operator, "token", "list", "--org", "acme")
    assert (first["user"], first["client"], first["jkt"]) == ("bob", "laptop", None)
    assert {each["jkt"] for each in others} == {key.thumbprint()}
    assert await listed(operator, "token", "list") == []
    assert (await failed(operator, "token", "revoke", first["id"])).startswith("not_found: ")
    await done(operator, "token", "revoke", first["id"], "--org", "acme")
    assert "invalid_argument: give either" in (await operator.run("token", "revoke")).stderr


@pytest.mark.proves("ID-9")
async def test_keys_are_rotated_and_dropped(command: Program) -> None:
    operator = lean(command)
    async with operator.serving():
        url = (await operator.status())["url"]
        before = await done(operator, "token", "issue", "--client", "laptop")
        (first,) = await listed(operator, "keys", "list")
        assert first["signs"]
        assert len((await done(operator, "keys", "rotate")).splitlines()) == 2
        after = await done(operator, "token", "issue", "--client", "laptop")
        assert [await statuses(url, token, WHOAMI) for token in (before, after)] == [[200], [200]]
        (kept,) = await listed(operator, "keys", "rotate", "--drop")
        assert kept["kid"] != first["kid"]
        assert [await statuses(url, token, WHOAMI) for token in (before, after)] == [[401], [401]]
        assert all(token["revoked_at"] for token in await listed(operator, "token", "list"))
        fresh = await done(operator, "token", "issue", "--client", "laptop")
        assert await statuses(url, fresh, WHOAMI) == [200]
    async with operator.serving():  # on another port: the token outlives the address
        assert await statuses((await operator.status())["url"], fresh, WHOAMI) == [200]


@pytest.mark.proves("ID-5", "ID-6")
async def test_a_change_of_standing_counts_from_the_next_call_on(command: Program) -> None:
    operator = lean(command)
    async with operator.serving():
        url = (await operator.status())["url"]
        await done(operator, "user", "add", "bob", "--role", "developer")
        token = await done(operator, "token", "issue", "--client", "laptop", "--user", "bob")
        assert await statuses(url, token, ADD, WHOAMI) == [200, 200]
        await done(operator, "user", "role", "bob", "reader")
        assert await statuses(url, token, ADD, WHOAMI) == [403, 200]
        await done(operator, "user", "disable", "bob")
        assert await statuses(url, token, WHOAMI) == [401]
        await done(operator, "user", "enable", "bob")
        assert await statuses(url, token, WHOAMI) == [200]
        await done(operator, "client", "block", "laptop")
        assert await statuses(url, token, WHOAMI) == [401]
        (laptop,) = await listed(operator, "client", "list")
        assert (laptop["name"], bool(laptop["blocked_at"])) == ("laptop", True)
        await done(operator, "client", "unblock", "laptop")
        assert await statuses(url, token, WHOAMI) == [200]
        (issued,) = await listed(operator, "token", "list")
        await done(operator, "token", "revoke", issued["id"])
        assert await statuses(url, token, WHOAMI) == [401]


@pytest.mark.proves("ID-5", "ID-6")
async def test_an_open_stdio_connection_has_the_rights_of_this_moment(command: Program) -> None:
    operator = lean(command)
    pooled = "the pool keeps the pager at the front desk"

    async def found(query: str) -> bool:
        answer = await agent.call("search_memory", query=query)
        return pooled in json.dumps(answer["result"]["structuredContent"])

    async def adds() -> bool:
        return not (await agent.call("add_memories", text="x"))["result"].get("isError", False)

    async with operator.serving(), operator.stdio() as agent:
        assert await adds()
        await done(operator, "org", "create", "pool")
        await done(operator, "user", "add", "ada", "--org", "pool", "--role", "owner")
        token = await done(operator, "token", "issue", "--client", "laptop", "--user", "ada", "--org", "pool")
        share = modern("tools/call", "add_memories", arguments={"text": pooled, "visibility": "org"})
        assert await statuses((await operator.status())["url"], token, share) == [200]
        assert not await found("pager")
        await done(operator, "org", "link", "local", "pool")
        assert await found("pager")
        await done(operator, "org", "unlink", "local", "pool")
        assert not await found("pager")
        await done(operator, "user", "add", "second", "--role", "owner")
        for narrowed, restored in (
            (("user", "role", "owner", "reader"), ("user", "role", "owner", "owner")),
            (("user", "disable", "owner"), ("user", "enable", "owner")),
            (("client", "block", "stdio"), ("client", "unblock", "stdio")),
        ):
            await done(operator, *narrowed)
            assert not await adds()
            await done(operator, *restored)
            assert await adds()
