"""Memberships of teams and projects; they count inside the caller's own org and name no other."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_GRANT: Final = re.compile(r"(team|project):([a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?)", re.ASCII)


class GrantKind(StrEnum):
    """What one can be a member of."""

    TEAM = "team"
    PROJECT = "project"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """`team:platform` or `project:billing`."""

    kind: GrantKind
    name: str

    def __str__(self) -> str:
        """As it stands in a token, and as the audience of what is shared with its members."""
        return f"{self.kind}:{self.name}"


def parse(text: str) -> Grant | None:
    """The grant that a text names, if it names one; anything that speaks of an org is none."""
    found = _GRANT.fullmatch(text)
    return Grant(GrantKind(found[1]), found[2]) if found else None
