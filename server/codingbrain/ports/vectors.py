"""The vector lane: nearest neighbours by cosine similarity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from codingbrain.identity.principal import Tenant
from codingbrain.ports.embedder import Model
from codingbrain.ports.filters import Facets, Filter
from codingbrain.ports.matches import Match

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PutVectors:
    """Index an object's embedding at one version: shape (chunks, dimension), rows of unit length.

    `digest` names the embedded text, so that an unchanged text need not be embedded again.
    """

    id: UUID
    version: int
    facets: Facets
    digest: bytes
    vectors: Floats


@dataclass(frozen=True, slots=True)
class Relabel:
    """New facets for an object whose embedded text did not change."""

    id: UUID
    version: int
    facets: Facets


@dataclass(frozen=True, slots=True)
class DropVectors:
    """Forget an object; `version` is the version that removed it."""

    id: UUID
    version: int


VectorChange = PutVectors | Relabel | DropVectors


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """The nearest objects to a unit vector of shape (dimension,); an object is as near as its nearest chunk."""

    vector: Floats
    filter: Filter
    limit: int


class Vectors(Protocol):
    """One tenant's vectors of one embedding model."""

    async def apply(self, changes: Sequence[VectorChange]) -> None:
        """Bring objects to the given versions; idempotent, and an older version than the indexed one is a no-op.

        A `Relabel` of an object that is not indexed is a no-op. At one version a drop beats a put, and a repeated put
        or relabel changes nothing.

        Raises:
            UnavailableError, StorageError: none of the changes counts as applied.
        """
        ...

    async def digests(self, ids: Sequence[UUID]) -> Mapping[UUID, bytes]:
        """The digest of each of `ids` that is indexed."""
        ...

    async def search(self, query: VectorQuery) -> list[Match]:
        """At most `limit` objects that pass the filter, by descending cosine similarity, ties by id.

        Raises:
            UnavailableError: the engine does not answer.
        """
        ...

    async def warm(self) -> None:
        """Get ready to answer fast, e.g. load what searches read; searches do it themselves if nobody did.

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


class VectorEngine(Protocol):
    """A vector engine, shared by all tenants."""

    async def prepare(self) -> None:
        """Create what is missing; safe to repeat. A layout of another release is dropped, to be rebuilt."""
        ...

    async def check(self) -> None:
        """A cheap round trip.

        Raises:
            UnavailableError: the engine does not answer.
        """
        ...

    def tenant(self, tenant: Tenant, model: Model) -> Vectors:
        """The tenant's index for one model; vectors of different models never meet."""
        ...
