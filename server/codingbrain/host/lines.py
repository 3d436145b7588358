"""A stream of bytes as lines, at most so long."""

from collections.abc import Callable, Iterator
from typing import Final

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a line that are kept, to find the id of a message that is too long for the host."""


def split(read: Callable[[], bytes], longest: int = LONGEST) -> Iterator[bytes]:
    """Each line with its end, until `read` gives nothing; of a longer line only the first `longest` bytes."""
    parts: list[bytes] = []
    size = 0
    while chunk := read():
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            yield b"".join([*parts, part[: max(0, longest - size)], b"\n"])
            parts, size = [], 0
        parts.append(rest[: max(0, longest - size)])
        size += len(rest)
    if size:
        yield b"".join([*parts, b"\n"])
