r"""Words of texts and queries, the same for both: natural words, parts of identifiers, scripts without spaces.

`getUserName`, `max_retry_count` and `src/auth/token.py` are found by their parts and, written as one word, as a whole.
Runs of Han, Kana, Hangul, Thai and their like become overlapping pairs of characters, since nothing marks their words
(McNamee and Mayfield, "Character N-Gram Tokenization", 2004); each character is a whole. Accents and vowel points are
dropped, compatibility forms made plain (Unicode Standard Annex 15), English words stemmed.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

from codingbrain.stores.lexical.porter import stem

_DENSE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai and Lao, Myanmar, Khmer, Kana, Hangul, Han."""

_INDIC: Final = "\u0900-\u0963\u0966-\u0dff"
"""Devanagari to Sinhala, whose vowel signs are not letters to `re`."""

_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670]+"
)
"""Accents, and the vowel points of Hebrew and Arabic."""

_JOINT: Final = r"[./:\\@#+-]+"
_PLAIN: Final = re.compile(rf"\w+(?:{_JOINT}\w+)*", re.ASCII)
_LETTER: Final = rf"(?:[^\W{_DENSE}]|[{_INDIC}])"
_ANY: Final = re.compile(rf"[{_DENSE}]+|{_LETTER}+(?:{_JOINT}{_LETTER}+)*")
_IS_DENSE: Final = re.compile(f"[{_DENSE}]")
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", re.ASCII)
_ANY_PART: Final = re.compile(rf"\d+|(?:[^\W\d_]|[{_INDIC}])+")

_LONGEST: Final = 64
"""Characters of one word; longer ones are data, not language."""

_STOP: Final = """
    a an and are as at be been being but by can could did do does for from had has have how i if in into is it its
    me my not of on or our should so such than that the their them then there these they this to was we were what
    when where which who whom why will with would you your
"""
"""English words that ask or connect; in a small collection their rarity is an accident."""

_REMEMBERED: Final = 1 << 15


class Words(NamedTuple):
    """The words of a text in order, and what they form as wholes."""

    running: tuple[str, ...]
    wholes: tuple[str, ...]


def words_of(text: str) -> Words:
    """Take a text apart; anything goes in, only letters and digits come out."""
    compounds = _PLAIN.findall(text) if text.isascii() else _ANY.findall(_folded(text))
    taken = [_apart(compound) for compound in compounds]
    flat = chain.from_iterable
    return Words(tuple(flat(words.running for words in taken)), tuple(flat(words.wholes for words in taken)))


def asked_for(text: str) -> tuple[str, ...]:
    """The words of a question that a text should hold, each once: without stop words, unless there is nothing else."""
    said = words_of(text)
    # A single character of a dense script is a word only where it stands alone, and then it is among the running ones.
    words = tuple(dict.fromkeys((*said.running, *(whole for whole in said.wholes if len(whole) > 1))))
    return tuple(word for word in words if word not in _STOPPED) or words


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", text)))


@lru_cache(_REMEMBERED)
def _apart(compound: str) -> Words:
    if _IS_DENSE.match(compound):
        return Words(_pairs(compound), tuple(compound))
    parts = _PART.findall(compound) if compound.isascii() else _ANY_PART.findall(compound)
    plain = [part.casefold()[:_LONGEST] for part in parts]
    return Words(tuple(map(stem, plain)), (stem("".join(plain)[:_LONGEST]),) if len(plain) > 1 else ())


def _pairs(run: str) -> tuple[str, ...]:
    return tuple(run[start : start + 2] for start in range(len(run) - 1)) or (run,)


_STOPPED: Final = frozenset(map(stem, _STOP.split()))
