"""The part of a text that answers a query best, cut at words."""

import re
from typing import Final

_WORD: Final = re.compile(r"\w+")
_SHORTEST_WORD: Final = 3
_ELLIPSIS: Final = "…"


def snippet(text: str, query: str, length: int) -> str:
    """At most about `length` characters of `text`, around the densest run of the query's words."""
    if len(text) <= length:
        return text
    wanted = {word.lower() for word in _WORD.findall(query) if len(word) >= _SHORTEST_WORD}
    places = [found.start() for found in _WORD.finditer(text) if found.group().lower() in wanted]
    start = max(0, _densest(places, length) - length // 8)
    begin = text.find(" ", start, start + length // 8) + 1 or start if start else 0
    end = begin + length
    if end < len(text):
        end = max(text.rfind(" ", begin + length // 2, end), 0) or end
    return f"{_ELLIPSIS if begin else ''}{text[begin:end].strip()}{_ELLIPSIS if end < len(text) else ''}"


def _densest(places: list[int], length: int) -> int:
    """Where the window of `length` with the most places begins; 0 without places."""
    best, most, last = 0, 0, 0
    for first, place in enumerate(places):
        while last < len(places) and places[last] < place + length:
            last += 1
        if last - first > most:
            best, most = place, last - first
    return best
