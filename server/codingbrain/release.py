"""Which release this is, without the cost of reading package metadata."""

import re
from typing import Final

VERSION: Final = "0.1.0"


def order(version: str) -> tuple[int, ...]:
    """A key that sorts releases by age; what is not a number in `version` does not count."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
