"""The Porter stemmer: English words without their endings.

M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, with the two later departures of its author
(`bli` for `abli`, and `logi`). The steps keep the paper's numbers.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_C: Final = "[^aeiou][^aeiouy]*"
_V: Final = "[aeiouy][aeiou]*"
_SEVERAL: Final = re.compile(f"^(?:{_C})?+{_V}{_C}{_V}{_C}")
"""Measure above 1."""
_SOME: Final = re.compile(f"^(?:{_C})?+{_V}{_C}")
"""Measure above 0."""
_ONE: Final = re.compile(f"^(?:{_C})?+{_V}{_C}(?:{_V})?$")
"""Measure 1."""
_VOWEL: Final = re.compile("^[^aeiou]*[aeiou]|^.[^aeiou]*y")
_DOUBLE: Final = re.compile(r"([^aeiouylsz])\1$")
_SHORT: Final = re.compile("^[^aeiou][^aeiouy]*[aeiouy][^aeiouwxy]$")
"""The paper's *o, where it matters: a stem of measure 1 that ends in consonant, vowel, consonant."""

_STEP_2: Final = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "bli": "ble", "alli": "al",
    "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al",
    "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble", "logi": "log",
}  # fmt: skip
_STEP_3: Final = {
    "icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": "",
}  # fmt: skip
_STEP_4: Final = re.compile(
    "^(.+?)(?:al|ance|ence|er|ic|able|ible|ant|ement|ment|ent|(?<=[st])ion|ou|ism|ate|iti|ous|ive|ize)$"
)
_REMEMBERED: Final = 1 << 15


@lru_cache(_REMEMBERED)
def stem(word: str) -> str:
    """The stem of a lower-case word; words that are not plain English letters, or very short, stay as they are."""
    if len(word) < 3 or not (word.isascii() and word.isalpha()):  # noqa: PLR2004 - the author's own exception
        return word
    word = _inflection(_plural(word))
    if word.endswith("y") and _VOWEL.search(word[:-1]):
        word = word[:-1] + "i"
    return _ending(_suffix(_suffix(word, _STEP_2), _STEP_3))


def _plural(word: str) -> str:
    """Step 1a."""
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _inflection(word: str) -> str:
    """Step 1b."""
    if word.endswith("eed"):
        return word[:-1] if _SOME.match(word[:-3]) else word
    for ending in ("ed", "ing"):
        root = word.removesuffix(ending)
        if root != word and _VOWEL.search(root):
            return _mended(root)
    return word


def _mended(root: str) -> str:
    if root.endswith(("at", "bl", "iz")) or _SHORT.match(root):
        return root + "e"
    return root[:-1] if _DOUBLE.search(root) else root


def _suffix(word: str, endings: Mapping[str, str]) -> str:
    """Steps 2 and 3: the longest ending that is there decides."""
    for length in range(7, 2, -1):
        ending = word[-length:]
        if ending in endings:
            root = word[: -len(ending)]
            return root + endings[ending] if _SOME.match(root) else word
    return word


def _ending(word: str) -> str:
    """Steps 4 and 5."""
    found = _STEP_4.match(word)
    if found and _SEVERAL.match(found[1]):
        word = found[1]
    if word.endswith("e"):
        root = word[:-1]
        if _SEVERAL.match(root) or (_ONE.match(root) and not _SHORT.match(root)):
            word = root
    return word[:-1] if word.endswith("ll") and _SEVERAL.match(word[:-1]) else word
