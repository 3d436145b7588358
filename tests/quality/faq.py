"""The collection `faq`: questions that the authors of manuals answer there, among thousands of other sections.

A question is a heading that ends in a question mark; the text that answers it is what stands under that heading,
without the heading. The other texts are what stands under the other headings of the same manuals. No text and no
question was chosen by hand.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.quality import markup, pod
from tests.quality.collection import Collection, Origin, Question, Text, question_of, text_of
from tests.quality.packages import Package, catalogue, fetch, members
from tests.quality.sections import Section
from tests.quality.words import FUNCTION_WORDS, words

NAME = "faq"

_LONGEST = 1_500
_SHORTEST = 200
_SHORTEST_ANSWER = 100
_LEAST_CONTENT = 2
_PER_PACKAGE = 500
_NUMBERING = re.compile(r"^(?:[A-Z]?[\d.]+[.:)]?|Q[.:])\s+")


def build() -> Collection:
    """The collection, from the packages.

    Raises:
        FetchError: a package could not be had.
    """
    return assemble({package: _sections(package) for package in catalogue(NAME)})


def assemble(read: Mapping[Package, Sequence[Section]]) -> Collection:
    """The collection that the sections of these packages make."""
    asked = _questions([section for sections in read.values() for section in sections])
    relevant = {id_ for question in asked.values() for id_ in question.relevant}
    texts: dict[str, Text] = {}
    origins: list[Origin] = []
    for package, sections in read.items():
        answers = [text for text in map(_text, sections) if text.id in relevant]
        chosen = {text.id: text for text in (*answers, *_others(sections, asked)) if text.id not in texts}
        texts |= chosen
        answered = {_question(section) for section in sections} & asked.keys()
        origins.append(Origin(package.name, package.version, package.licence, len(chosen), len(answered)))
    return _without_quotes(texts, asked, origins)


def _sections(package: Package) -> list[Section]:
    found: list[Section] = []
    for place, text in members(package, fetch(package)):
        found += (pod if place.endswith(".pod") else markup).read(place, text)
    return found


def _questions(sections: Sequence[Section]) -> dict[str, Question]:
    """Each question that is asked under one heading only, with its answer."""
    answers: dict[str, set[str]] = {}
    for section in sections:
        question = _question(section)
        text = _text(section)
        if question and len(text.text) >= _SHORTEST_ANSWER:
            answers.setdefault(question, set()).add(text.id)
    return {text: question_of(text, ids) for text, ids in answers.items() if len(ids) == 1}


def _question(section: Section) -> str | None:
    """The heading as a question that can be understood by itself: at least two words carry content."""
    heading = _NUMBERING.sub("", section.heading).strip()
    content = set(words(heading)) - FUNCTION_WORDS
    well_formed = heading.endswith("?") and heading[:1].isupper() and len(content) >= _LEAST_CONTENT
    return heading if well_formed else None


def _others(sections: Sequence[Section], asked: dict[str, Question]) -> list[Text]:
    """A fixed sample of what stands under the other headings."""
    bodies = {_text(section) for section in sections if _question(section) not in asked}
    bodies = {text for text in bodies if len(text.text) >= _SHORTEST}
    return sorted(bodies, key=lambda text: text.id)[:_PER_PACKAGE]


def _without_quotes(texts: dict[str, Text], asked: dict[str, Question], origins: Sequence[Origin]) -> Collection:
    """Leave out texts that quote a question, such as tables of contents: finding those would prove nothing."""
    quoting = set(_quoting(texts.values(), asked))
    kept = tuple(text for id_, text in sorted(texts.items()) if id_ not in quoting)
    questions = sorted((one for one in asked.values() if not one.relevant & quoting), key=lambda one: one.id)
    return Collection(NAME, kept, tuple(questions), tuple(origins))


def _quoting(texts: Iterable[Text], asked: dict[str, Question]) -> Iterator[str]:
    flat = [" ".join(words(question)) for question in asked]
    for text in texts:
        body = " ".join(words(text.text))
        if any(question in body for question in flat):
            yield text.id


def _text(section: Section) -> Text:
    """The body, cut at the last paragraph or word that fits."""
    body = section.body
    if len(body) > _LONGEST:
        head = body[:_LONGEST]
        end = head.rfind("\n\n") if "\n\n" in head[_SHORTEST:] else head.rfind(" ")
        body = head[:end]
    return text_of(body.strip())
