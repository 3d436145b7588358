"""The command line: what it prints, where, and with which exit status."""

import json
import signal
import socket
import sys

import anyio
import httpx2
import psutil
import pytest

from tests.journeys.program import START, Program

pytestmark = pytest.mark.anyio


async def test_it_says_what_it_is_and_can(command: Program) -> None:
    assert (await command.run("--version")).stdout.startswith("codingbrain ")
    shown = await command.run("--help")
    assert shown.returncode == 0
    assert all(f"\n  {name} " in shown.stdout for name in ("mcp", "serve", "token", "status", "stop", "settings"))
    assert "\n  host " not in shown.stdout
    for arguments in ([], ["nonsense"], ["serve", "--nonsense"], ["token"], ["token", "issue"]):
        assert (await command.run(*arguments)).returncode == 2


@pytest.mark.proves("RUN-2")
async def test_a_token_is_issued_listed_and_revoked(command: Program) -> None:
    issued = await command.run("token", "issue", "--client", "laptop", "--scope", "memories:read", "--expires", "2w")
    assert issued.returncode == 0, issued.stderr
    assert issued.stdout.count(".") == 2
    assert len(issued.stdout.split()) == 1
    (listed,) = json.loads((await command.run("token", "list", "--json")).stdout)
    assert (listed["client"], listed["scopes"], listed["revoked_at"]) == ("laptop", ["memories:read"], None)
    assert listed["id"] in issued.stderr
    assert issued.stdout.strip() not in json.dumps(listed)
    assert (await command.run("token", "revoke", listed["id"])).stdout == "revoked\n"
    assert "revoked " in (await command.run("token", "list")).stdout
    again = await command.run("token", "revoke", listed["id"])
    assert (again.returncode, again.stderr.split(":")[1].strip()) == (1, "not_found")


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["issue", "--client", "x", "--scope", "nonsense"], "invalid_argument", 1),
        (["issue", "--client", " "], "invalid_argument", 1),
        (["issue", "--client", "x", "--expires", "soon"], None, 2),
        (["revoke", "nonsense"], "invalid_argument", 1),
    ],
)
async def test_a_wrong_token_command_is_refused(
    command: Program, arguments: list[str], code: str | None, status: int
) -> None:
    done = await command.run("token", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert code is None or done.stderr.startswith(f"codingbrain: {code}: ")


async def test_the_host_is_shown_and_stopped(command: Program) -> None:
    none = await command.run("status")
    assert (none.returncode, none.stdout) == (1, "state: not running\n")
    async with command.stdio() as stdio:
        await stdio.call("whoami")
        shown = await command.status()
        assert (shown["kind"], shown["clients"], shown["url"]) == ("spawned", 1, None)
        assert shown["pid"] == command.host
        assert "kind: spawned" in (await command.run("status")).stdout
        assert (await command.run("stop")).stdout == "stopped\n"
        assert command.hosts() == []
        assert "result" in await stdio.call("whoami")
    assert (await command.run("stop")).returncode == 0
    assert (await command.run("stop")).stdout == "no host was running\n"


@pytest.mark.proves("OBS-1")
async def test_the_log_level_changes_while_the_host_runs(command: Program) -> None:
    assert (await command.run("logs", "level", "debug")).stderr.startswith("codingbrain: unavailable: ")
    async with command.stdio() as stdio:
        await stdio.call("whoami")
        assert (await command.run("logs", "level", "debug")).stdout == "the host logs DEBUG and above\n"
        assert (await command.status())["log_level"] == "DEBUG"
        refused = await command.run("logs", "level", "loud")
        assert (refused.returncode, "TRACE, DEBUG" in refused.stderr) == (1, True)


@pytest.mark.proves("RUN-10")
async def test_settings_are_shown_and_checked(command: Program) -> None:
    table = (await command.run("settings")).stdout
    assert "`CODINGBRAIN_IDLE_SECONDS`" in table
    assert (await command.run("settings", "--check")).returncode == 0
    wrong = Program(command.data, {"port": "many", "log_level": "loud", "nonsense": "1"})
    for arguments in (["settings", "--check"], ["serve"], ["migrate"], ["host"]):
        refused = await wrong.run(*arguments)
        lines = refused.stderr.splitlines()
        assert refused.returncode == 2, refused
        assert len(lines) == 3
        assert all(line.startswith("codingbrain: configuration_invalid: ") for line in lines)


@pytest.mark.proves("RUN-10")
async def test_the_production_profile_refuses_what_is_unsafe(command: Program) -> None:
    refused = await Program(command.data, {"profile": "production"}).run("serve")
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 3
    assert "refuses SQLite" in refused.stderr


@pytest.mark.proves("MIG-1")
async def test_the_schema_is_checked_and_brought_up_to_date(command: Program) -> None:
    due = await command.run("migrate", "--check")
    assert (due.returncode, due.stdout.startswith("the database is at revision none")) == (1, True)
    assert (await command.run("migrate")).stdout.startswith("the database is now at revision ")
    assert (await command.run("migrate", "--check")).returncode == 0
    assert (await command.run("migrate")).stdout.endswith(" already\n")
    assert command.hosts() == []


@pytest.mark.proves("RUN-2")
async def test_serve_takes_over_from_a_host_that_a_client_started(command: Program) -> None:
    async with command.stdio() as stdio:
        await stdio.call("add_memories", text="before the server came")
        async with command.serving("--port", "0"):
            assert command.hosts() == []
            shown = await command.status()
            assert (shown["kind"], shown["state"] != "down") == ("serve", True)
            assert "before the server came" in json.dumps(await stdio.call("search_memory", query="server came"))
            async with httpx2.AsyncClient() as http:
                assert (await http.get(f"{shown['url']}/health/live")).status_code == 200
        assert "before the server came" in json.dumps(await stdio.call("search_memory", query="server came"))


async def test_only_one_serves_a_data_directory(command: Program) -> None:
    async with command.serving():
        second = await command.run("serve")
        assert second.returncode == 1
        assert second.stderr.startswith("codingbrain: host_running: ")
        assert (await command.run("migrate")).stderr.startswith("codingbrain: host_running: ")
    assert (await command.run("status")).returncode == 1


async def test_a_taken_port_is_said_and_nothing_else_is_disturbed(command: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with command.stdio() as stdio:
            await stdio.call("whoami")
            refused = await command.run("serve", "--port", port)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr.startswith(f"codingbrain: address_in_use: 127.0.0.1 port {port} is taken")
            assert len(refused.stderr.splitlines()) == 1
            assert "result" in await stdio.call("whoami")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
async def test_serve_ends_when_asked_to(command: Program, ending: signal.Signals) -> None:
    async with command.serving() as process:
        process.send_signal(ending)
        with anyio.fail_after(START):
            assert await process.wait() == 0
    assert (await command.run("status")).returncode == 1


@pytest.mark.proves("RUN-7")
@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's table of connections")
async def test_nothing_but_loopback_is_connected(command: Program) -> None:
    async with command.serving(), command.stdio() as stdio:
        await stdio.call("add_memories", text="a secret plan")
        await stdio.call("search_memory", query="plan")
        pid = command.host
        assert pid is not None
        reached = {each.raddr.ip for each in psutil.Process(pid).net_connections("inet") if each.raddr}
    assert reached <= {"127.0.0.1"}
