"""The conditions of a query: narrowing the lists where that pays, checked on each candidate in any case."""

import json
from typing import Final

from sqlalchemy import Connection

from codingbrain.ports.filters import Filter
from codingbrain.ports.lexical import TextQuery
from codingbrain.stores.lexical.frequency import Frequencies, Scopes
from codingbrain.stores.lexical.lists import Entries, created
from codingbrain.stores.lexical.match import LABEL, ONCE, anywhere, mark
from codingbrain.stores.lexical.texts import spaced
from codingbrain.stores.lexical.tokens import words_of

_SELECTIVE: Final = 4
"""A condition narrows the lists if at most one text in so many meets it; otherwise its own list is too long to walk."""

_EVER: Final = (-(2**63), 2**63 - 1)


class Conditions:
    """What the filter and the phrases ask of a text."""

    def __init__(self, connection: Connection, frequencies: Frequencies, scopes: Scopes, query: TextQuery) -> None:
        self._filter = query.filter
        self._groups = [frozenset(map(mark, group)) for group in query.filter.every]
        self._none = frozenset(map(mark, query.filter.none))
        running = [words for phrase in query.phrases if (words := words_of(phrase).running)]
        self._phrases = [spaced(words) for words in running]
        self.required = [anywhere(scopes.numbers, ONCE, (word,)) for words in running for word in dict.fromkeys(words)]
        self.narrowing = list(self.required)
        for group in self._groups:
            if sum(frequencies.of(connection, scopes, LABEL, group).values()) * _SELECTIVE <= scopes.texts:
                self.narrowing.append(anywhere(scopes.numbers, LABEL, group))
        self.excluded = anywhere(scopes.numbers, LABEL, self._none) if self._none else None
        self.period = _period(connection, scopes, query.filter)

    def accepts(self, created_at: int, labels: str, body: str, aside: str) -> bool:
        """Whether a text passes."""
        own = frozenset(labels.split())
        since, until = self._filter.since, self._filter.until
        return (
            all(group & own for group in self._groups)
            and not self._none & own
            and (since is None or created_at >= since)
            and (until is None or created_at < until)
            and all(phrase in body or phrase in aside.partition("\f")[0] for phrase in self._phrases)
        )


def _period(connection: Connection, scopes: Scopes, wanted: Filter) -> Entries | None:
    """The entries of the period that a filter names, unless there is none or they are too many to be worth it."""
    if wanted.since is None and wanted.until is None:
        return None
    since = _EVER[0] if wanted.since is None else wanted.since
    until = _EVER[1] if wanted.until is None else wanted.until
    few = scopes.texts // _SELECTIVE + 1
    entries = created(connection, json.dumps(scopes.numbers), since, until, few)
    return entries if len(entries) < few else None
