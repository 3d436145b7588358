"""What orgs, users and clients may be called."""

import unicodedata
from typing import Final

from codingbrain.errors import InvalidArgumentError

_LONGEST: Final = 200
_RESERVED: Final = frozenset({"-"})
"""Where a command takes a name, it means none."""


_RULE: Final = f"1 to {_LONGEST} printable characters, without blanks at the ends, and not a hyphen alone"


def fits(name: str) -> bool:
    """Whether it is a name in its one form (Unicode NFC), so that two which look the same are the same."""
    if not name.isprintable() or not 0 < len(name) <= _LONGEST:
        return False
    return name not in _RESERVED and name == unicodedata.normalize("NFC", name.strip())


def checked(what: str, text: str) -> str:
    """The name, in that form.

    Raises:
        InvalidArgumentError: it is empty, too long, or has characters that do not show.
    """
    name = unicodedata.normalize("NFC", text)
    if not fits(name):
        raise InvalidArgumentError(f"{what}: {_RULE}")
    return name
