"""Words of texts and queries, the same for both: natural words, parts of identifiers, scripts without spaces.

`getUserName`, `max_retry_count` and `src/auth/token.py` are found by their parts and, written as one word, as a whole.
Runs of Han, Kana, Hangul, Thai and their like become overlapping pairs of characters, since nothing marks their words
(McNamee and Mayfield, "Character N-Gram Tokenization", 2004). Stemming and folding of accents are the index's own.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_DENSE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai and Lao, Myanmar, Khmer, Kana, Hangul, Han."""

_COMPOUND: Final = re.compile(rf"[{_DENSE}]+|(?:(?![{_DENSE}])\w)+(?:[./:\\@#+-]+(?:(?![{_DENSE}])\w)+)*")
_IS_DENSE: Final = re.compile(f"[{_DENSE}]")
_PART: Final = re.compile(r"[^\W\d_]+|\d+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST: Final = 64
"""Characters of one word; longer ones are data, not language."""

_STOPS: Final = """
    a an and are as at be been being but by can could did do does for from had has have how i if in into is it its
    me my not of on or our should so such than that the their them then there these they this to was we were what
    when where which who whom why will with would you your
"""

_STOP: Final = frozenset(_STOPS.split())
"""English words that ask or connect; in a small collection their rarity is an accident."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in order, and what they form as wholes."""

    running: tuple[str, ...]
    wholes: tuple[str, ...]


def words_of(text: str) -> Words:
    """Take a text apart; anything goes in, only letters and digits come out."""
    running: list[str] = []
    wholes: list[str] = []
    for found in _COMPOUND.finditer(unicodedata.normalize("NFKC", text)):
        compound = found.group()
        if compound.isalpha() and (compound.islower() or compound.istitle()) and compound.isascii():
            running.append(compound.lower()[:_LONGEST])  # most words by far, and a third of the time
        elif _IS_DENSE.match(compound):
            running += _pairs(compound)
            wholes += compound
        else:
            parts = [part[:_LONGEST] for part in _parts(compound)]
            running += parts
            if len(parts) > 1:
                wholes.append("".join(parts)[:_LONGEST])
    return Words(tuple(running), tuple(wholes))


def asked_for(text: str) -> list[str]:
    """The words of a question that a text should hold, each once: without stop words, unless there is nothing else."""
    said = words_of(text)
    # A single character of a dense script is a word only where it stands alone, and then it is among the running ones.
    words = list(dict.fromkeys((*said.running, *(whole for whole in said.wholes if len(whole) > 1))))
    return [word for word in words if word not in _STOP] or words


def _parts(compound: str) -> Iterator[str]:
    for piece in _PART.findall(compound):
        yield from (part.lower() for part in _CAMEL.split(piece))


def _pairs(run: str) -> list[str]:
    return [run[start : start + 2] for start in range(len(run) - 1)] or [run]
