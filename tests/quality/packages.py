"""Packages of the ordinary registries, fetched with the clients that the machine is set up for, without root."""

import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.quality.collection import folder

_CATALOGUE = Path(__file__).with_suffix(".toml")
_TIMEOUT = 600


@dataclass(frozen=True, slots=True)
class Package:
    """A pinned package, and the regular expression of the files in it that are read."""

    kind: Literal["deb", "wheel"]
    name: str
    version: str
    sha256: str
    licence: str
    files: str


class FetchError(Exception):
    """A package could not be had; the message says what to do."""


def catalogue(collection: str) -> list[Package]:
    """The packages of one collection."""
    return [Package(**row) for row in tomllib.loads(_CATALOGUE.read_text("utf-8"))[collection]]


def fetch(package: Package) -> Path:
    """The package's file, from the cache or its registry.

    A Debian release keeps only the newest version of a package, so if the pinned one has gone, the current one is
    taken, and the collection's digest tells whether that matters.

    Raises:
        FetchError: no client for this kind of package, or the client failed.
    """
    shelf = folder() / "packages"
    shelf.mkdir(exist_ok=True)
    pinned = [path for path in shelf.iterdir() if _sha256(path) == package.sha256]
    if pinned:
        return pinned[0]
    match package.kind:
        case "deb":
            return _fetch_deb(package, shelf)
        case "wheel":
            return _fetch_wheel(package, shelf)


def members(package: Package, path: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of the files that `package.files` matches, ordered by name."""
    wanted = re.compile(package.files)
    match package.kind:
        case "deb":
            found = _in_deb(path, wanted)
        case "wheel":
            found = _in_wheel(path, wanted)
    yield from sorted(found)


def _fetch_deb(package: Package, shelf: Path) -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise FetchError(f"{package.name} is a Debian package: this needs apt-get and dpkg-deb (Debian, Ubuntu, ...)")
    try:
        _run(["apt-get", "download", f"{package.name}={package.version}"], shelf)
    except FetchError:
        print(f"{package.name} {package.version} has been replaced; taking the current version")
        _run(["apt-get", "download", package.name], shelf)
    return max(shelf.glob(f"{package.name}_*.deb"), key=lambda path: path.stat().st_mtime)


def _fetch_wheel(package: Package, shelf: Path) -> Path:
    pin = f"{package.name}=={package.version}"
    flags = ["--no-deps", "--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--quiet"]
    _run([sys.executable, "-m", "pip", "download", *flags, "--dest", ".", pin], shelf)
    stem = package.name.replace("-", "_")
    path = next(shelf.glob(f"{stem}-{package.version}-*.whl"))
    if _sha256(path) != package.sha256:
        path.unlink()
        raise FetchError(f"{pin} has another SHA-256 than the pinned {package.sha256}; it was not used")
    return path


def _run(command: list[str], cwd: Path) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{' '.join(command)}: no end after {_TIMEOUT} s") from error
    if done.returncode:
        hint = "; are the package lists there (apt-get update, as root)?" if command[0] == "apt-get" else ""
        raise FetchError(f"{' '.join(command)} failed{hint}\n{done.stderr.strip()[-600:]}")


def _in_deb(path: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True, timeout=_TIMEOUT, check=True)
    with tarfile.open(fileobj=io.BytesIO(unpacked.stdout)) as archive:
        for member in archive:
            if member.isfile() and wanted.search(member.name):
                stream = archive.extractfile(member)
                if stream is not None:
                    yield member.name, stream.read().decode("utf-8", "replace")


def _in_wheel(path: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if wanted.search(name):
                yield name, archive.read(name).decode("utf-8", "replace")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
