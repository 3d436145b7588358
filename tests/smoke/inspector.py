"""The MCP inspector's command line."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio

from tests.node import NODE, fetched

PINNED = Path(__file__).parent / "npm"
START = Path("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js")

CALL = 120
"""Seconds within which one call has ended."""


@dataclass(frozen=True, slots=True)
class Inspector:
    """An installed inspector with a private home."""

    script: Path
    home: Path

    @classmethod
    def fetched(cls, home: Path) -> Self:
        """The pinned inspector."""
        return cls(fetched("inspector", PINNED) / START, home)

    async def call(self, origin: str, token: str, *arguments: str) -> tuple[int, str, str]:
        """One run against a served instance: exit code, standard output and error."""
        endpoint = ("--server-url", f"{origin}/mcp", "--transport", "http", "--stored-auth-only")
        bearer = ("--header", f"Authorization: Bearer {token}")
        command = [str(NODE), str(self.script), "--cli", *endpoint, *bearer, *arguments]
        env = os.environ | {"HOME": str(self.home), "MCP_CATALOG_PATH": str(self.home / "mcp.json")}
        with anyio.fail_after(CALL):
            ended = await anyio.run_process(command, env=env, stdin=subprocess.DEVNULL, check=False)
        return ended.returncode, ended.stdout.decode(), ended.stderr.decode()
