"""What a lane may return: one predicate, the same for every engine.

An object carries one audience (who may see it) and a set of labels (`category:decision`, `tag:redis`,
`state:active`). A query names the audiences of its caller and the labels it wants, so each engine needs only
set membership and one number range.
"""

from dataclasses import dataclass

from codingbrain.clock import Micros


@dataclass(frozen=True, slots=True)
class Filter:
    """An object passes if its audience is listed, its labels meet the groups, and `since` ≤ created < `until`.

    It needs a label of each group in `every`, and none of `none`.
    """

    audiences: frozenset[str]
    every: tuple[frozenset[str], ...] = ()
    none: frozenset[str] = frozenset()
    since: Micros | None = None
    until: Micros | None = None


@dataclass(frozen=True, slots=True)
class Facets:
    """What an index knows about an object besides its content."""

    kind: str
    audience: str
    labels: frozenset[str]
    created_at: Micros
