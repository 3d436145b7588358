"""Words of English, as the grep baseline and the choice of questions see them."""

import re

_WORD = re.compile(r"\w+(?:[.'+#:-]*\w+)*[+#]*")

_GRAMMAR = """
    a about after all also am an and any are aren't as at be because been before being but by can can't cannot could
    did didn't do does doesn't doing don't down for from get gets getting go had has have having he her here him his how
    how's i i'd i'm i've if in into is isn't it it's its just me more most much my no nor not of off on once only or
    other our out over own same she should shouldn't so some such than that that's the their them then there there's
    these they this those through to too under until up us use used using very was wasn't way we were what what's when
    where where's which while who who's whom whose why why's will with won't would you you're your
"""

FUNCTION_WORDS = frozenset(_GRAMMAR.split())
"""Words that carry grammar rather than content."""


def words(text: str) -> list[str]:
    """Lower-case words in order; marks inside a word stay (`c++`, `user.name`)."""
    return [word.lower() for word in _WORD.findall(text.replace("’", "'"))]


def content(text: str) -> list[str]:
    """The distinct words that carry content, in order; all distinct words if none does."""
    distinct = list(dict.fromkeys(words(text)))
    return [word for word in distinct if word not in FUNCTION_WORDS] or distinct
