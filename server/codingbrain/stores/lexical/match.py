"""FTS5 expressions, built from nothing but tokens of our own making.

A token begins with the number of a scope, that is of one audience of one org. Each audience therefore has posting
lists of its own: nothing of another tenant is read, counted or scored, and no filter has to say so.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

ONCE: Final = ":"
"""Between a scope and a word that the text holds."""

OFTEN: Final = "+"
"""Between a scope and a word that the text holds more than once."""

LABEL: Final = "#"
"""Between a scope and a label."""


@lru_cache(1 << 14)
def mark(label: str) -> str:
    """A label in letters and digits."""
    return hashlib.blake2b(label.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def token(scope: int, kind: str, word: str) -> str:
    """What stands in the index; `kind` is one of the marks above."""
    return f"{scope}{kind}{word}"


def anywhere(scopes: Sequence[int], kind: str, words: Iterable[str]) -> str:
    """One of the words, in one of the scopes."""
    return f"({' OR '.join(_quoted(token(scope, kind, word)) for word in sorted(words) for scope in scopes)})"


def every(parts: Sequence[str], none: str | None) -> str:
    """All of the parts, and not the other one."""
    wanted = " AND ".join(parts)
    return f"({wanted}) NOT {none}" if none else wanted


def _quoted(token: str) -> str:
    return f'"{token}"'
