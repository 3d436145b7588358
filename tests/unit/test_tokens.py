"""How texts and questions are taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codingbrain.stores.lexical.tokens import asked_for, words_of


@pytest.mark.parametrize(
    ("text", "running", "wholes"),
    [
        ("", "", ""),
        ("Rotating keys", "rotat kei", ""),
        ("getUserName", "get user name", "getusernam"),
        ("HTTPServer2", "http server 2", "httpserver2"),
        ("parseXMLFile", "pars xml file", "parsexmlfil"),
        ("max_retry_count", "max retri count", "maxretrycount"),
        ("src/auth/token.py", "src auth token py", "srcauthtokenpi"),
        ("__init__", "init", ""),
        ("a.b", "a b", "ab"),
        ("it's", "it s", ""),
        ("数据库", "数据 据库", "数 据 库"),
        ("池", "池", "池"),
        ("用getName吧", "用 get name 吧", "用 getnam 吧"),
        ("\uff21\uff11 \ufb01n", "a 1 fin", "a1"),
        ("Crème brûlée", "creme brule", ""),
        ("ÜberGröße", "ubergross", ""),
        ("e\u0301te\u0301", "et", ""),
        ("\ud800 🚀 \0 -- !?", "", ""),
    ],
)
def test_words(text: str, running: str, wholes: str) -> None:
    words = words_of(text)
    assert words.running == tuple(running.split())
    assert words.wholes == tuple(wholes.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("how do we rotate the keys?", "rotat kei"),
        ("to be or not to be", "to be or not"),
        ("getName getName", "get name getnam"),
        ("数据库", "数据 据库"),
        ("池", "池"),
    ],
)
def test_questions(text: str, words: str) -> None:
    assert asked_for(text) == tuple(words.split())


@given(st.text())
def test_every_word_is_made_of_letters_and_digits_alone(text: str) -> None:
    words = words_of(text)
    for word in (*words.running, *words.wholes):
        assert 0 < len(word) <= 3 * 64
        assert not set(word) & set(" \t\n\f\0\"':+#*()^-_")
        word.encode()


@given(st.text())
def test_a_text_is_asked_for_in_the_words_that_it_is_stored_in(text: str) -> None:
    words = words_of(text)
    assert set(asked_for(text)) <= {*words.running, *words.wholes}
    assert bool(asked_for(text)) is bool(words.running)
