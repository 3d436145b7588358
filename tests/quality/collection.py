"""A test collection: texts, questions, and which texts answer which question."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Split = Literal["dev", "test"]


@dataclass(frozen=True, slots=True)
class Text:
    """What is stored and found; equal texts have equal ids."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, word for word as its author put it, and the ids of the texts that answer it."""

    id: str
    text: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Origin:
    """The package that texts came from, and the licence that they came under."""

    package: str
    version: str
    licence: str
    texts: int
    questions: int


@dataclass(frozen=True, slots=True)
class Collection:
    """Everything that one measurement needs."""

    name: str
    texts: tuple[Text, ...]
    questions: tuple[Question, ...]
    origins: tuple[Origin, ...]

    @property
    def digest(self) -> str:
        """Equal digests mean equal texts, questions and answers, whatever packages they came from."""
        lines = [text.id for text in self.texts]
        lines += [f"{question.id} {','.join(sorted(question.relevant))}" for question in self.questions]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def split(self, part: Split) -> tuple[Question, ...]:
        """A fixed half of the questions: `dev` is for choosing settings, `test` for reporting."""
        return tuple(question for question in self.questions if _part(question) == part)


def identify(text: str) -> str:
    """The id of a text or question."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def text_of(text: str) -> Text:
    return Text(identify(text), text)


def question_of(text: str, relevant: Iterable[str]) -> Question:
    return Question(identify(text), text, frozenset(relevant))


def folder() -> Path:
    """Where fetched packages, collections and vectors are kept between runs, outside the checkout."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(root) / "codingbrain-bench"
    path.mkdir(parents=True, exist_ok=True)
    return path


def save(collection: Collection) -> None:
    document = asdict(collection)
    for question in document["questions"]:
        question["relevant"] = sorted(question["relevant"])
    _path(collection.name).write_text(json.dumps(document, ensure_ascii=False), "utf-8")


def load(name: str) -> Collection:
    """Read a fetched collection.

    Raises:
        SystemExit: it was not fetched yet.
    """
    found = saved(name)
    if found is None:
        raise SystemExit(f"collection '{name}' is not in {folder()}; run: python -m tests.quality.fetch")
    return found


def saved(name: str) -> Collection | None:
    """A collection that was fetched before."""
    path = _path(name)
    if not path.exists():
        return None
    document: Mapping[str, list[dict[str, str]]] = json.loads(path.read_text("utf-8"))
    return Collection(
        name,
        tuple(Text(row["id"], row["text"]) for row in document["texts"]),
        tuple(Question(row["id"], row["text"], frozenset(row["relevant"])) for row in document["questions"]),
        tuple(Origin(**row) for row in document["origins"]),  # pyright: ignore[reportArgumentType]
    )


def _path(name: str) -> Path:
    return folder() / f"{name}.json"


def _part(question: Question) -> Split:
    return "dev" if int(question.id[-1], 16) < 8 else "test"
