"""The files of the checkout, as the house rules read them."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
PRODUCT = ("server", "tools", "admin", "migrations")


@dataclass(frozen=True, slots=True)
class Source:
    """One Python module; `path` is relative to the checkout."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> "Source":
        """Parse a module's text."""
        return cls(PurePosixPath(path), text, ast.parse(text))

    def at(self, node: ast.AST, fault: str) -> str:
        """One line that names the place and the fault."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {fault}"

    def line(self, number: int) -> str:
        """A line of the text, counted from 1."""
        return self.text.splitlines()[number - 1]


@cache
def tracked() -> tuple[PurePosixPath, ...]:
    """Every file of the checkout that git knows or would add, and that is there."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=30).stdout
    names = {name for name in listed.decode().split("\0") if name}
    return tuple(PurePosixPath(name) for name in sorted(names) if (ROOT / name).is_file())


def texts() -> Iterator[tuple[PurePosixPath, str]]:
    """Every text file of the checkout with its text."""
    for path in tracked():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            yield path, content.decode("utf-8")


@cache
def modules(*roots: str) -> tuple[Source, ...]:
    """The Python modules under top-level folders, without the database revisions."""
    chosen = (path for path in tracked() if path.parts[0] in roots and path.suffix == ".py")
    return tuple(Source.of(str(path), (ROOT / path).read_text("utf-8")) for path in chosen if not _is_revision(path))


def _is_revision(path: PurePosixPath) -> bool:
    return path.parts[0] == "migrations" and path.parent.name == "versions"
