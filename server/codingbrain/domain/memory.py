"""What a memory is, and what a caller may say when writing one."""

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final, Literal
from uuid import UUID

from codingbrain.clock import Micros

MAX_TEXT: Final = 32_768
"""Characters of one memory's text."""

MAX_TAGS: Final = 50
"""Tags of one memory."""


class Category(StrEnum):
    """What kind of knowledge a memory holds."""

    DECISION = "decision"
    CONVENTION = "convention"
    ARCHITECTURE = "architecture"
    DEPENDENCY = "dependency"
    WORKFLOW = "workflow"
    TESTING = "testing"
    SECURITY = "security"
    PERFORMANCE = "performance"
    RUNBOOK = "runbook"
    GLOSSARY = "glossary"
    PREFERENCE = "preference"
    FACT = "fact"


class State(StrEnum):
    """Where a memory stands; only active ones are recalled."""

    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"
    DELETED = "deleted"


class Visibility(StrEnum):
    """Who sees a memory, the most specific first; `enterprise` is what a linked pool shares, and cannot be chosen."""

    SESSION = "session"
    USER = "user"
    TEAM = "team"
    PROJECT = "project"
    ORG = "org"
    ENTERPRISE = "enterprise"


class ArtifactKind(StrEnum):
    """What sort of thing a memory is about."""

    REPO = "repo"
    SERVICE = "service"
    MODULE = "module"
    COMPONENT = "component"
    API = "api"
    DB = "db"
    INFRA = "infra"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Artifact:
    """The thing a memory is about, e.g. (service, "billing")."""

    kind: ArtifactKind
    ref: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a memory came from; every part may be unknown."""

    app: str | None = None
    tool: str | None = None
    url: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class CodeRef:
    """A place in code: 1-based inclusive lines, or a symbol, or a whole file."""

    path: str
    repo: str | None = None
    line_start: int | None = None
    line_end: int | None = None
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller says when storing a memory; `visibility` is the wish, as `identity.visibility` reads it."""

    text: str
    category: Category | None = None
    visibility: str = "user"
    artifact: Artifact | None = None
    entities: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    source: Source = field(default_factory=Source)
    code: tuple[CodeRef, ...] = ()
    valid_from: Micros | None = None
    valid_to: Micros | None = None
    created_at: Micros | None = None
    pinned: bool = False


class Unset(Enum):
    """The type of `UNSET`: a field that a patch leaves as it is."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
_Unset = Literal[Unset.UNSET]


@dataclass(frozen=True, slots=True)
class Patch:
    """What a caller says when changing a memory; `None` clears a field that may be empty."""

    text: str | _Unset = UNSET
    category: Category | _Unset | None = UNSET
    artifact: Artifact | _Unset | None = UNSET
    entities: tuple[str, ...] | _Unset = UNSET
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    evidence: tuple[str, ...] | _Unset = UNSET
    code: tuple[CodeRef, ...] | _Unset = UNSET
    valid_from: Micros | _Unset | None = UNSET
    valid_to: Micros | _Unset | None = UNSET
    state: State | _Unset = UNSET
    pinned: bool | _Unset = UNSET
    visibility: str | _Unset = UNSET


@dataclass(frozen=True, slots=True)
class Memory:
    """A stored memory; `version` starts at 1 and grows with each change.

    `target` is the team, project or session that it is shared with; `owner` is its author.
    """

    id: UUID
    version: int
    text: str
    category: Category | None
    visibility: Visibility
    artifact: Artifact | None
    entities: tuple[str, ...]
    tags: tuple[str, ...]
    evidence: tuple[str, ...]
    source: Source
    code: tuple[CodeRef, ...]
    created_at: Micros
    updated_at: Micros
    valid_from: Micros | None
    valid_to: Micros | None
    state: State
    pinned: bool
    owner: UUID
    target: str | None = None


class Event(StrEnum):
    """What happened to a memory."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Revision:
    """One entry of a memory's history: the memory as it was from `at` on, and who made it so."""

    memory: Memory
    event: Event
    at: Micros
    client: str
