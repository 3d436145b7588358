"""FTS5 query expressions, built from nothing but words of our own making."""

import hashlib
from collections.abc import Iterable, Sequence
from uuid import UUID

from codingbrain.ports.filters import Filter


def mark(*parts: object) -> str:
    """One token that stands for an audience of an org, or for a label; the tokenizer leaves it whole."""
    return "x" + hashlib.blake2b(repr(parts).encode(errors="replace"), digest_size=8).hexdigest()


def expression(org: UUID, allowed: Filter, terms: Sequence[str], phrases: Sequence[Sequence[str]]) -> str:
    """What FTS5 has to match: the scope, the labels, every phrase, and any of the terms."""
    scopes = (mark(org, audience) for audience in allowed.audiences)
    parts = [f"scope : {_any(scopes)}"]
    parts += [f"labels : {_any(mark(label) for label in group)}" for group in allowed.every]
    parts += [f"{{body keywords}} : {_phrase(phrase)}" for phrase in phrases]
    if terms:
        parts.append(f"{{body keywords wholes}} : {_any(terms)}")
    wanted = " AND ".join(parts)
    return f"({wanted}) NOT labels : {_any(mark(label) for label in allowed.none)}" if allowed.none else wanted


def _any(tokens: Iterable[str]) -> str:
    return f"({' OR '.join(sorted(_quoted(token) for token in tokens))})"


def _phrase(words: Sequence[str]) -> str:
    return f"({' + '.join(_quoted(word) for word in words)})"


def _quoted(token: str) -> str:
    return f'"{token}"'
