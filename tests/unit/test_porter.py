"""The stemmer gives the stems that its paper and SQLite give."""

import re
import sqlite3
from pydoc_data import topics

import pytest

from codingbrain.stores.lexical.porter import stem

PAPER = """
    caresses caress, ponies poni, ties ti, caress caress, cats cat, feed feed, agreed agre, plastered plaster, bled
    bled, motoring motor, sing sing, conflated conflat, troubled troubl, sized size, hopping hop, tanned tan,
    falling fall, hissing hiss, fizzed fizz, failing fail, filing file, happy happi, sky sky, relational relat,
    conditional condit, rational ration, valenci valenc, digitizer digit, conformabli conform, radicalli radic,
    differentli differ, vileli vile, analogousli analog, vietnamization vietnam, predication predic, operator oper,
    feudalism feudal, hopefulness hope, decisiveness decis, callousness callous, formaliti formal, sensitiviti
    sensit, sensibiliti sensibl, triplicate triplic, formative form, formalize formal, electriciti electr,
    electrical electr, hopeful hope, goodness good, revival reviv, allowance allow, inference infer, airliner
    airlin, gyroscopic gyroscop, adjustable adjust, defensible defens, irritant irrit, replacement replac,
    adjustment adjust, dependent depend, adoption adopt, homologou homolog, communism commun, activate activ,
    angulariti angular, homologous homolog, effective effect, bowdlerize bowdler, probate probat, rate rate, cease
    ceas, controll control, roll roll, is is, a a
"""


@pytest.mark.parametrize("pair", [tuple(pair.split()) for pair in PAPER.split(",")], ids=lambda pair: pair[0])
def test_the_examples_of_the_paper(pair: tuple[str, str]) -> None:
    assert stem(pair[0]) == pair[1]


def test_thousands_of_words_as_sqlite_has_them() -> None:
    words = sorted({word for text in topics.topics.values() for word in re.findall(r"\b[a-z]{3,40}\b", text)})
    assert len(words) > 2_000
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE VIRTUAL TABLE texts USING fts5(word, tokenize = 'porter ascii')")
        database.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(texts, instance)")
        database.executemany("INSERT INTO texts (rowid, word) VALUES (?, ?)", enumerate(words))
        theirs = {words[row]: stemmed for stemmed, row in database.execute("SELECT term, doc FROM stems")}
    database.close()
    assert {word: stem(word) for word in words} == theirs


@pytest.mark.parametrize("word", ["naïves", "sha256", "数据", "", "s"])
def test_what_is_not_plain_english_stays(word: str) -> None:
    assert stem(word) == word
