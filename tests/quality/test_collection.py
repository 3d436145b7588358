"""A collection is made by rule alone, and its halves are fixed."""

from tests.quality import faq
from tests.quality.collection import Collection, question_of, text_of
from tests.quality.packages import Package
from tests.quality.sections import Section

PACKAGE = Package("deb", "manual-doc", "1", "0" * 64, "MIT", r"\.html$")

ANSWER = "Set the option in the file of the user and start the program again; it is read once, at the start. " * 2
OTHER = "The file of the user holds one option in each line, with its value after an equals sign, and comments. " * 3


def built(*sections: tuple[str, str]) -> Collection:
    return faq.assemble({PACKAGE: [Section("place", heading, body) for heading, body in sections]})


def test_a_heading_that_asks_is_a_question_and_its_text_the_answer() -> None:
    made = built(("3.1. How do I set an option?", ANSWER), ("Options", OTHER))
    (question,) = made.questions
    assert question.text == "How do I set an option?"
    assert question.relevant == {text_of(ANSWER.strip()).id}
    assert {text.text for text in made.texts} == {ANSWER.strip(), OTHER.strip()}


def test_vague_doubled_and_unanswered_questions_are_none() -> None:
    vague, doubled, unanswered = "What is it?", "Which option is read?", "Which value is default?"
    made = built((vague, ANSWER), (doubled, ANSWER + "a"), (doubled, ANSWER + "b"), (unanswered, "42."))
    assert made.questions == ()
    assert all(len(text.text) >= 100 for text in made.texts)


def test_a_table_of_contents_does_not_give_the_answer_away() -> None:
    contents = "Here is what others asked: How do I set an option? Where is the file? What does a line hold? " * 3
    made = built(("How do I set an option?", ANSWER), ("Contents", contents))
    assert [text.text for text in made.texts] == [ANSWER.strip()]


def test_a_long_text_is_cut_where_a_paragraph_ends() -> None:
    made = built(("Options", "\n\n".join([OTHER.strip()] * 9)))
    (text,) = made.texts
    assert len(text.text) <= 1_500
    assert set(text.text.split("\n\n")) == {OTHER.strip()}


def test_the_halves_are_disjoint_complete_and_fixed() -> None:
    questions = tuple(question_of(f"Which is number {number}?", ["x"]) for number in range(200))
    made = Collection("c", (), questions, ())
    dev, test = made.split("dev"), made.split("test")
    assert not set(dev) & set(test)
    assert set(dev) | set(test) == set(questions)
    assert 70 < len(dev) < 130
    assert made.split("dev") == dev


def test_the_digest_tells_collections_apart() -> None:
    one = Collection("c", (text_of("a"),), (question_of("q", ["x"]),), ())
    other = Collection("c", (text_of("a"),), (question_of("q", ["y"]),), ())
    assert one.digest != other.digest
    assert one.digest == Collection("c", one.texts, one.questions, ()).digest
