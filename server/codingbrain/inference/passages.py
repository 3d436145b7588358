"""Where a long text is cut into overlapping passages: at a paragraph, line, sentence or word, in this order."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from codingbrain.inference.tokens import Span

LENGTH: Final = 254
"""Tokens of a passage at most; with `<s>` and `</s>` this makes 256, half of what the model reads."""

OVERLAP: Final = 32
"""Tokens at the end of a passage that open the next one too."""

_BORDERS: Final = (("\n\n",), ("\n",), (". ", "! ", "? ", "。", "\uff01", "\uff1f"), (" ", "\t"))


def passages(text: str, spans: Sequence[Span]) -> Iterator[str]:
    """Passages that cover the text, in order; a text of at most `LENGTH` tokens is one passage.

    A passage holds at least half of `LENGTH`, except the last, so their number is bounded by the text's length.
    """
    starts = [start for start, _ in spans]
    first, begin = 0, 0
    while first + LENGTH < len(spans):
        end = _border(text, starts[first + LENGTH // 2], spans[first + LENGTH - 1][1])
        yield text[begin:end]
        first = _resume(text, starts, bisect_left(starts, end))
        begin = starts[first]
    yield text[begin:]


def _border(text: str, low: int, high: int) -> int:
    for marks in _BORDERS:
        ends = [found + len(mark) for mark in marks if (found := text.rfind(mark, low, high)) >= 0]
        if ends:
            return max(ends)
    return high


def _resume(text: str, starts: Sequence[int], cut: int) -> int:
    back = range(cut - OVERLAP, cut)
    return next((token for token in back if text[starts[token] - 1].isspace()), back.start)
