"""What a dependency lock promises: every entry hashed, no address, nothing missing."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)(?: ; (.*?))?(?: \\)?$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


@dataclass(frozen=True, slots=True)
class Pin:
    """One entry: a name, its exact version, for which platforms, and how many files it accepts."""

    name: str
    version: str
    marker: str
    hashes: int


def pins(text: str) -> list[Pin]:
    """Read a lock.

    Raises:
        ValueError: a line is neither an entry, a hash nor a comment; an address is such a line.
    """
    found: list[Pin] = []
    for line in text.splitlines():
        if entry := _ENTRY.match(line):
            name, version, marker = entry.groups()
            found.append(Pin(canonicalize_name(name), version, marker or "", 0))
        elif _HASH.match(line) and found:
            last = found.pop()
            found.append(Pin(last.name, last.version, last.marker, last.hashes + 1))
        elif not line.lstrip().startswith("#"):
            message = f"not a locked entry: {line}"
            raise ValueError(message)
    return found


def unhashed(locked: Iterable[Pin]) -> Iterator[str]:
    """Entries that any file would satisfy."""
    yield from (f"{pin.name}=={pin.version}: no hash" for pin in locked if not pin.hashes)


def missing(wanted: Iterable[str], locked: Iterable[Pin]) -> Iterator[str]:
    """Requirements that no entry of the lock meets."""
    listed = list(locked)
    for text in wanted:
        requirement = Requirement(text)
        versions = [pin.version for pin in listed if pin.name == canonicalize_name(requirement.name)]
        if not versions or not all(requirement.specifier.contains(version, prereleases=True) for version in versions):
            yield f"{text}: the lock has {', '.join(versions) or 'nothing'}; run `make lock`"


def differing(part: Iterable[Pin], whole: Iterable[Pin]) -> Iterator[str]:
    """Entries of one lock that a larger one lacks or has in another version."""
    there = {(pin.name, pin.version) for pin in whole}
    yield from (
        f"{pin.name}=={pin.version}: not so in both locks" for pin in part if (pin.name, pin.version) not in there
    )


def unsealed(packages: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """Entries of an npm lock that any file would satisfy, or that name the address they came from."""
    for name, entry in packages.items():
        if name and not entry.get("integrity"):
            yield f"{name}: no hash"
        if "resolved" in entry:
            yield f"{name}: an address; lock with `npm install --omit-lockfile-registry-resolved`"
