"""The lexical lane: ranked full text over words, identifiers and scripts without spaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection

from codingbrain.identity.principal import Tenant
from codingbrain.ports.filters import Facets, Filter
from codingbrain.ports.matches import Match


@dataclass(frozen=True, slots=True)
class PutText:
    """Index an object's text at one version; `keywords` are tags, entities and names that also should match."""

    id: UUID
    version: int
    facets: Facets
    text: str
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DropText:
    """Forget an object; `version` is the version that removed it."""

    id: UUID
    version: int


TextChange = PutText | DropText


@dataclass(frozen=True, slots=True)
class TextQuery:
    """Words in the caller's own form; engines tokenise them exactly as they tokenise texts.

    `phrases` must each occur as consecutive words; `text` may match in any of its words.
    """

    text: str
    filter: Filter
    limit: int
    phrases: tuple[str, ...] = ()


class Lexical(Protocol):
    """One tenant's lexical index."""

    async def apply(self, changes: Sequence[TextChange]) -> None:
        """Bring objects to the given versions; idempotent, and an older version than the indexed one is a no-op.

        At one version a drop beats a put, and a repeated put changes nothing.

        Raises:
            UnavailableError, StorageError: none of the changes counts as applied.
        """
        ...

    async def search(self, query: TextQuery) -> list[Match]:
        """At most `limit` objects that pass the filter, by descending BM25, ties by id; empty if nothing matches.

        Raises:
            UnavailableError: the engine does not answer.
        """
        ...

    async def versions(self, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """A page of (id, indexed version), ordered by id, for reconciliation."""
        ...

    async def clear(self) -> None:
        """Forget every object of the tenant."""
        ...


class LexicalEngine(Protocol):
    """A lexical engine, shared by all tenants."""

    async def prepare(self) -> None:
        """Create what is missing; safe to repeat. A layout of another release is dropped, to be rebuilt."""
        ...

    async def check(self) -> None:
        """A cheap round trip.

        Raises:
            UnavailableError: the engine does not answer.
        """
        ...

    def tenant(self, tenant: Tenant) -> Lexical:
        """The tenant's index."""
        ...


class ColocatedLexical(LexicalEngine, Protocol):
    """A lexical engine inside the record's database, whose changes commit with the row."""

    def enlist(self, connection: Connection, tenant: Tenant, changes: Sequence[TextChange]) -> None:
        """`Lexical.apply` within the caller's transaction."""
        ...
