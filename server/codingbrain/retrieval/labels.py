"""What every index knows about a memory, and the same words on the side of the query.

Both directions stand here, so that a label that is written is the label that is asked for.
"""

from collections.abc import Mapping

from codingbrain.domain.memory import Memory
from codingbrain.domain.query import Criteria
from codingbrain.identity.principal import Principal, Tenant
from codingbrain.identity.visibility import audience_of, coverage
from codingbrain.ports.filters import Facets, Filter

KIND = "memory"


def facets_of(memory: Memory) -> Facets:
    """The facets of a memory."""
    labels = {f"state:{memory.state}", *(f"tag:{tag}" for tag in memory.tags)}
    if memory.category:
        labels.add(f"category:{memory.category}")
    return Facets(KIND, audience_of(memory), frozenset(labels), memory.created_at)


def keywords_of(memory: Memory) -> tuple[str, ...]:
    """Names by which a memory should be found besides its text."""
    artifact = (memory.artifact.ref,) if memory.artifact else ()
    places = tuple(part for ref in memory.code for part in (ref.path, ref.symbol) if part)
    return (*memory.tags, *memory.entities, *artifact, *places)


def filters_of(criteria: Criteria, principal: Principal) -> Mapping[Tenant, Filter]:
    """What a lane may return to this caller: of the own org, which comes first, and of each linked pool."""
    groups = (
        frozenset(f"state:{state}" for state in criteria.states),
        frozenset(f"category:{category}" for category in criteria.categories),
        frozenset(f"tag:{tag}" for tag in criteria.tags),
    )
    every = tuple(group for group in groups if group)
    return {
        Tenant(org): Filter(labels, every, since=criteria.created_from, until=criteria.created_to)
        for org, labels in coverage(principal, criteria.session).items()
    }
