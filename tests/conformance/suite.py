"""The official MCP conformance suite: pinned, run, and its verdicts read."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

import anyio

from tests.node import NODE, fetched

HERE: Final = Path(__file__).parent
START: Final = Path("node_modules/@modelcontextprotocol/conformance/dist/index.js")

EXPECTED: Final = HERE / "expected.yml"
"""With it the suite fails at warnings, too."""

RUN: Final = 120
"""Seconds within which one run has ended."""

SCENARIO: Final = 20
"""Seconds within which one scenario has ended; the suite counts a longer one as failed."""

_FAULTS: Final = frozenset({"FAILURE", "WARNING"})
_STAMPED: Final = re.compile(r"-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one scenario found: how many checks succeeded, and the ones that did not with the reason."""

    passed: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One run: the exit code, a verdict for every scenario that ran, and all that was printed."""

    code: int
    verdicts: Mapping[str, Verdict]
    output: str

    def unmet(self, scenarios: Iterable[str]) -> list[str]:
        """Why not all of these scenarios passed; one that did not run or checked nothing has not."""
        found: list[str] = []
        for name in sorted(scenarios):
            match self.verdicts.get(name):
                case None:
                    found.append(f"{name}: did not run")
                case Verdict(faults=()) as verdict if not verdict.passed:
                    found.append(f"{name}: checked nothing")
                case verdict:
                    found += [f"{name}: {fault}" for fault in verdict.faults]
        return found


@dataclass(frozen=True, slots=True)
class Suite:
    """An installed suite."""

    script: Path

    @classmethod
    def fetched(cls) -> Self:
        """The pinned suite."""
        return cls(fetched("conformance", HERE / "npm") / START)

    async def scored(self, revision: str) -> frozenset[str]:
        """The scenarios that servers of a revision must pass, by the suite's own list."""
        _, output = await self._run("list", "--requirements", revision)
        listed = output.partition("Server scenarios")[2].partition("\n\n")[0]
        return frozenset(line.removeprefix("  - ") for line in listed.splitlines() if line.startswith("  - "))

    async def server(self, url: str, revision: str) -> Report:
        """Run every scenario of a revision against a server; the exit code is about the scored ones."""
        expected = ("--expected-failures", str(EXPECTED))
        return await self._judge("server-", "server", "--url", url, "--requirements", revision, *expected)

    async def client(self, command: str, scenario: str) -> Report:
        """Run one scenario with a client that takes the server's URL as its last argument.

        A warning, and an exit code other than 0, count as a failure.
        """
        return await self._judge("", "client", "--command", command, "--scenario", scenario)

    async def _judge(self, prefix: str, *arguments: str) -> Report:
        with TemporaryDirectory(prefix="cb-conformance-") as folder:
            code, output = await self._run(*arguments, "--timeout", str(SCENARIO * 1000), "-o", folder)
            return Report(code, verdicts(Path(folder), prefix), output)

    async def _run(self, *arguments: str) -> tuple[int, str]:
        command, together = [str(NODE), str(self.script), *arguments], subprocess.STDOUT
        with anyio.fail_after(RUN):
            ended = await anyio.run_process(command, stdin=subprocess.DEVNULL, stderr=together, check=False)
        return ended.returncode, ended.stdout.decode()


def verdicts(folder: Path, prefix: str) -> dict[str, Verdict]:
    """The verdicts by scenario: one folder each, named `prefix`, scenario (which may hold a slash) and time."""
    found: dict[str, Verdict] = {}
    for path in sorted(folder.rglob("checks.json")):
        name = _STAMPED.sub("", path.parent.relative_to(folder).as_posix()).removeprefix(prefix)
        checks: list[dict[str, str]] = json.loads(path.read_text("utf-8"))
        faults = tuple(f"{each['id']}: {each.get('errorMessage')}" for each in checks if each["status"] in _FAULTS)
        found[name] = Verdict(sum(each["status"] == "SUCCESS" for each in checks), faults)
    return found
