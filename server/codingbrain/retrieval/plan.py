"""Query planning: what a question asks of each lane, without a model."""

import re
from dataclasses import dataclass
from typing import Final

from codingbrain.domain.query import MAX_LIMIT, MAX_QUERY, Query
from codingbrain.errors import InvalidArgumentError, LimitExceededError

_PHRASE: Final = re.compile(r'"([^"]{1,500})"')
_MOST_PHRASES: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked query: its words, and the phrases in double quotes that must occur as they stand."""

    text: str
    phrases: tuple[str, ...]


def plan(query: Query) -> Plan:
    """Check and take apart a query.

    Raises:
        InvalidArgumentError, LimitExceededError: naming the argument and its limit.
    """
    if not query.text.strip():
        message = "query: must contain at least one word"
        raise InvalidArgumentError(message)
    if len(query.text) > MAX_QUERY:
        message = f"query: at most {MAX_QUERY} characters, got {len(query.text)}"
        raise LimitExceededError(message)
    if not 1 <= query.limit <= MAX_LIMIT:
        message = f"limit: from 1 to {MAX_LIMIT}, got {query.limit}"
        raise LimitExceededError(message)
    phrases = tuple(phrase.strip() for phrase in _PHRASE.findall(query.text))
    return Plan(query.text, tuple(phrase for phrase in phrases if phrase)[:_MOST_PHRASES])
