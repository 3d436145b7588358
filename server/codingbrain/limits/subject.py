"""What a limit can be set for: `org`, `user:<uuid>`, `tool:<name>`, `route:<METHOD /path>`."""

from enum import StrEnum
from typing import Final
from uuid import UUID

FLOORED: Final = "/admin/limits"
"""The routes that change limits; they have a limit of their own, so that nobody can shut themselves out."""


class Kind(StrEnum):
    """The word before the colon."""

    ORG = "org"
    USER = "user"
    TOOL = "tool"
    ROUTE = "route"


def kind_of(subject: str) -> Kind:
    """The kind of a well-formed subject."""
    return Kind(subject.partition(":")[0])


def of_user(user: UUID) -> str:
    """A user as a subject."""
    return f"{Kind.USER}:{user}"


def of_item(item: str) -> str:
    """A tool, or a route as `METHOD /path`, as a subject."""
    return f"{Kind.ROUTE if ' ' in item else Kind.TOOL}:{item}"


def is_floored(item: str) -> bool:
    """Whether an item is one of the routes that change limits."""
    return item.partition(" ")[2].startswith(FLOORED)
