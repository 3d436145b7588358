"""Who sees a memory, who changes it and who decides that: the one rule, which `ops/visibility.md` tells to people.

A memory carries one label, its audience. A search takes the labels of its caller into every lane, and the record asks
again of each row that a lane or the caller named.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

from codingbrain.domain.memory import Memory, Visibility
from codingbrain.errors import AmbiguousTargetError, ForbiddenError, InvalidArgumentError
from codingbrain.identity import grants
from codingbrain.identity.grants import Grant, GrantKind
from codingbrain.identity.principal import Principal
from codingbrain.identity.roles import GOVERNING

ORG: Final = "org"
"""The audience of what everybody in the org sees, and of all that a linked org sees of a pool."""

MAX_SESSION: Final = 128
"""Characters of a session handle."""

SPECIFICITY: Final = {visibility: -wider for wider, visibility in enumerate(Visibility)}
"""Of equal texts, those with the highest one are recalled."""

_POOL: Final = frozenset({ORG})
_GOVERNED: Final = frozenset({Visibility.TEAM, Visibility.PROJECT, Visibility.ORG})
_FORMS: Final = (
    "visibility: one of user, org, team:NAME, project:NAME (or team, project if you are in one only), session:ID"
)


def audience_of(memory: Memory) -> str:
    """The label of those who see a memory."""
    match memory.visibility:
        case Visibility.USER:
            return f"user:{memory.owner}"
        case Visibility.SESSION:
            return f"{sessions_of(memory.owner)}{memory.target}"
        case Visibility.TEAM | Visibility.PROJECT:
            return f"{memory.visibility}:{memory.target}"
        case Visibility.ORG | Visibility.ENTERPRISE:
            return ORG


def sessions_of(user: UUID) -> str:
    """What the labels of all of a user's sessions begin with, and no others."""
    return f"session:{user}:"


@lru_cache(maxsize=1_024)
def audiences(principal: Principal, session: str | None = None) -> frozenset[str]:
    """The labels that a search or a list covers in the caller's own org: session notes only if the session is named."""
    named = () if session is None else (f"{sessions_of(principal.user)}{session}",)
    return frozenset((f"user:{principal.user}", *map(str, principal.grants), ORG, *named))


def coverage(principal: Principal, session: str | None = None) -> Mapping[UUID, frozenset[str]]:
    """The labels that a search or a list covers, by org: the caller's own comes first, linked pools follow."""
    pools = sorted(principal.pools - {principal.org})
    return {principal.org: audiences(principal, session), **dict.fromkeys(pools, _POOL)}


def sees(principal: Principal, org: UUID, audience: str) -> bool:
    """Whether the caller may see what has this label in `org`, when they name its id."""
    if org != principal.org:
        return org in principal.pools and audience == ORG
    return audience in audiences(principal) or audience.startswith(sessions_of(principal.user))


def check_edit(principal: Principal, memory: Memory) -> None:
    """Whether the caller may change or delete a memory that they see.

    Raises:
        ForbiddenError: they may only read it.
    """
    match memory.visibility:
        case Visibility.ENTERPRISE:
            raise ForbiddenError(f"memory {memory.id} is read-only for you: it belongs to a pool that your org reads")
        case Visibility.ORG if memory.owner != principal.user and not principal.roles & GOVERNING:
            reason = "it is the whole org's, and only its author, an owner or an admin changes it"
            raise ForbiddenError(f"memory {memory.id} is read-only for you: {reason}")
        case _:
            return


def reshared(principal: Principal, memory: Memory, wish: str) -> tuple[Visibility, str | None]:
    """With whom a memory, which the caller may change, is shared from now on.

    Raises:
        ForbiddenError: the caller may not decide that.
        InvalidArgumentError, AmbiguousTargetError: see `target_of`.
    """
    visibility, target = target_of(wish, principal)
    same = (visibility, target) == (memory.visibility, memory.target)
    governs = visibility in _GOVERNED and bool(principal.roles & GOVERNING)
    if same or governs or memory.owner == principal.user:
        return visibility, target
    others = "its author, an owner or an admin" if visibility in _GOVERNED else "its author"
    raise ForbiddenError(f"visibility: memory {memory.id} is shared this way only by {others}")


def target_of(wish: str, principal: Principal) -> tuple[Visibility, str | None]:
    """What `user`, `org`, `team`, `team:NAME`, `project`, `project:NAME` or `session:ID` means for this caller.

    Raises:
        InvalidArgumentError: it is none of these.
        ForbiddenError: the caller is no member of that team or project.
        AmbiguousTargetError: it names no team or project, and several fit; they are listed.
    """
    if grant := grants.parse(wish):
        return _shared(grant.kind, [grant] if grant in principal.grants else [])
    match wish.partition(":"):
        case (("user" | "org") as kind, "", _):
            return Visibility(kind), None
        case (("team" | "project") as kind, "", _):
            return _shared(GrantKind(kind), sorted(each for each in principal.grants if each.kind == kind))
        case ("session", _, handle) if handle.strip() and len(handle) <= MAX_SESSION:
            return Visibility.SESSION, handle
        case _:
            raise InvalidArgumentError(_FORMS)


def _shared(kind: GrantKind, fitting: list[Grant]) -> tuple[Visibility, str]:
    match fitting:
        case [grant]:
            return Visibility(kind), grant.name
        case []:
            raise ForbiddenError(f"visibility: you are not a member of such a {kind}")
        case _:
            choices = [str(grant) for grant in fitting]
            raise AmbiguousTargetError(f"visibility: several fit; say which: {', '.join(choices)}", choices=choices)
