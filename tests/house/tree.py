"""What may stand where in the checkout, and what may stand in no file."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

FOLDERS = frozenset({".ci", "admin", "docker", "migrations", "ops", "server", "tests", "tools"})

_HOSTS = (
    "pypi.org",
    "pythonhosted.org",
    "registry.npmjs.org",
    "crates.io",
    "proxy.golang.org",
    "repo.maven.apache.org",
    "repo1.maven.org",
    "deb.debian.org",
    "security.debian.org",
)
_FORBIDDEN = (
    (re.compile(r"(?<![\w.$}])/(?:work|root)/"), "a path of one machine"),
    (re.compile(r"(?<![\w.$}])/(?:home|Users)/(?!user\b|you\b)\w+/"), "a path of one machine"),
    (re.compile("|".join(rf"(?<![\w-]){re.escape(host)}" for host in _HOSTS)), "a package registry's host"),
    (re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b"), "unfinished work"),
    (re.compile(r"\bissue #?\d+\b", re.IGNORECASE), "how the work is organised"),
)


def folders(paths: Iterable[PurePosixPath]) -> Iterator[str]:
    """The top-level folders are fixed; `docker` holds no Python."""
    for path in paths:
        top, *rest = path.parts
        if rest and top not in FOLDERS:
            yield f"{path}: {top} is not one of the top-level folders"
        if top == "docker" and path.suffix == ".py":
            yield f"{path}: no Python in docker"


def wording(texts: Iterable[tuple[PurePosixPath, str]]) -> Iterator[str]:
    """No file names a machine, a registry, or the way the work is organised."""
    for path, text in texts:
        for pattern, what in _FORBIDDEN:
            for match in pattern.finditer(text):
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {what}: {match.group()}"
