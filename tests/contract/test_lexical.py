"""What every lexical engine promises, whichever of `tests/engines.py` it is."""

from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path
from uuid import UUID

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from codingbrain.identity.principal import Tenant
from codingbrain.ports.filters import Facets, Filter
from codingbrain.ports.lexical import DropText, Lexical, LexicalEngine, PutText, TextChange, TextQuery
from codingbrain.ports.matches import Match
from tests.engines import LEXICAL, LexicalRow

pytestmark = pytest.mark.anyio

OWN = "user:own"
OTHER = "user:other"
HOME = Tenant(UUID(int=1))
AWAY = Tenant(UUID(int=2))

per_example = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = count(1_000)


@pytest.fixture(params=LEXICAL, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> LexicalRow:
    return request.param


@pytest.fixture
async def engine(row: LexicalRow, data_dir: Path) -> AsyncIterator[LexicalEngine]:
    async with row.opens(data_dir) as engine:
        yield engine


@pytest.fixture
def index(engine: LexicalEngine) -> Lexical:
    return engine.tenant(HOME)


def fresh(engine: LexicalEngine) -> Lexical:
    """The index of a tenant that was never seen before."""
    return engine.tenant(Tenant(UUID(int=next(numbers))))


def put(  # noqa: PLR0913 - what an object is made of
    number: int,
    text: str,
    version: int = 1,
    *,
    audience: str = OWN,
    labels: Sequence[str] = (),
    created_at: int = 0,
    keywords: Sequence[str] = (),
) -> PutText:
    facets = Facets("memory", audience, frozenset(labels), created_at)
    return PutText(UUID(int=number), version, facets, text, tuple(keywords))


def drop(number: int, version: int) -> DropText:
    return DropText(UUID(int=number), version)


async def apply(index: Lexical, *changes: TextChange) -> None:
    with anyio.fail_after(30):
        await index.apply(changes)


async def matches(
    index: Lexical, text: str, *, limit: int = 10, allowed: Filter | None = None, phrases: Sequence[str] = ()
) -> list[Match]:
    allowed = Filter(frozenset({OWN})) if allowed is None else allowed
    with anyio.fail_after(30):
        return await index.search(TextQuery(text, allowed, limit, tuple(phrases)))


async def found(index: Lexical, text: str, *, limit: int = 10, phrases: Sequence[str] = ()) -> list[int]:
    return [match.id.int for match in await matches(index, text, limit=limit, phrases=phrases)]


async def passed(index: Lexical, text: str, allowed: Filter, limit: int = 10) -> set[int]:
    return {match.id.int for match in await matches(index, text, allowed=allowed, limit=limit)}


async def versions(index: Lexical, after: int | None = None, limit: int = 1_000) -> list[tuple[int, int]]:
    page = await index.versions(None if after is None else UUID(int=after), limit)
    return [(id_.int, version) for id_, version in page]


async def test_an_empty_index_answers_with_nothing(engine: LexicalEngine, index: Lexical) -> None:
    await engine.check()
    await apply(index)
    assert await found(index, "anything at all") == []
    assert await versions(index) == []


async def test_any_word_is_enough(index: Lexical) -> None:
    await apply(index, put(1, "rotate the signing keys"), put(2, "deploy on fridays"), put(3, "bake the bread"))
    assert set(await found(index, "which keys do we deploy?")) == {1, 2}


async def test_more_and_rarer_words_and_shorter_texts_come_first(index: Lexical) -> None:
    await apply(
        index,
        put(1, "cache timeout of the proxy"),
        put(2, "cache eviction in the proxy"),
        put(3, "the proxy listens on a port"),
        put(4, "the proxy listens on a port of the private network behind the second gateway"),
    )
    assert await found(index, "proxy cache timeout") == [1, 2, 3, 4]


async def test_scores_fall_and_equals_are_ordered_by_id(index: Lexical) -> None:
    order = [5, 3, 9, 1, 7]
    await apply(index, *(put(number, "the same words") for number in order), put(2, "words words words"))
    found = await matches(index, "same words")
    assert [match.id.int for match in found] == [1, 3, 5, 7, 9, 2]
    scores = [match.score for match in found]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores[:5])) == 1


async def test_the_limit_cuts_an_order_that_does_not_depend_on_it(index: Lexical) -> None:
    await apply(index, *(put(number, "alpha " + "beta " * (number % 7)) for number in range(1, 60)))
    every = await matches(index, "alpha beta", limit=100)
    assert len(every) == 59
    for limit in (0, 1, 10, 58):
        assert await matches(index, "alpha beta", limit=limit) == every[:limit]


async def test_a_newer_version_replaces_the_text(index: Lexical) -> None:
    await apply(index, put(1, "we use rabbits"))
    await apply(index, put(1, "we use badgers", 2))
    assert await found(index, "rabbits") == []
    assert await found(index, "badgers") == [1]
    assert await versions(index) == [(1, 2)]


async def test_what_is_applied_is_found_at_once(index: Lexical) -> None:
    """Also where the index has seen the words before, in questions or in texts."""
    await apply(index, *(put(number, f"tea number {number}") for number in range(1, 2_001)))
    for number in range(3_001, 3_011):
        word = f"quokka{number}"
        assert number not in await found(index, f"tea {word}")
        await apply(index, put(number, f"tea for a {word}"))
        assert (await found(index, f"tea {word}"))[0] == number
        await apply(index, drop(number, 2))
        assert number not in await found(index, f"tea {word}")


async def test_an_older_version_changes_nothing(index: Lexical) -> None:
    await apply(index, put(1, "badgers", 5))
    await apply(index, put(1, "rabbits", 4), drop(1, 3))
    assert await found(index, "rabbits badgers") == [1]
    assert await versions(index) == [(1, 5)]


async def test_a_put_that_was_overtaken_by_a_drop_changes_nothing(index: Lexical) -> None:
    await apply(index, put(1, "badgers", 1), drop(1, 3))
    await apply(index, put(1, "badgers", 2))
    assert await found(index, "badgers") == []
    assert await versions(index) == []
    await apply(index, drop(2, 7))
    await apply(index, put(2, "badgers", 6))
    assert await found(index, "badgers") == []
    await apply(index, put(2, "badgers", 8))
    assert await found(index, "badgers") == [2]


async def test_the_same_changes_again_change_nothing(index: Lexical) -> None:
    changes = (put(1, "red fox"), put(2, "red panda", 3), put(3, "red deer"), drop(3, 2))
    await apply(index, *changes)
    once = await matches(index, "red fox")
    await apply(index, *changes)
    assert await matches(index, "red fox") == once
    assert await versions(index) == [(1, 1), (2, 3)]


version_of = st.integers(1, 6)
changes = st.lists(
    st.one_of(
        st.builds(put, st.integers(1, 4), st.sampled_from(["ash", "oak", "ash oak", ""]), version_of),
        st.builds(drop, st.integers(1, 4), version_of),
    ),
    max_size=24,
)


@given(changes=changes, size=st.integers(1, 24))
@per_example
async def test_the_newest_version_wins_in_whatever_order_they_come(
    engine: LexicalEngine, changes: list[TextChange], size: int
) -> None:
    index = fresh(engine)
    newest: dict[int, TextChange] = {}
    for change in changes:
        known = newest.get(change.id.int)
        # Two contents of one version cannot come from a record; a drop of a version is newer than its put.
        beats = isinstance(change, DropText) and isinstance(known, PutText)
        if known is None or change.version > known.version or (change.version == known.version and beats):
            newest[change.id.int] = change
    for start in range(0, len(changes), size):
        await apply(index, *changes[start : start + size])
    there = {number: change for number, change in newest.items() if isinstance(change, PutText)}
    assert await versions(index) == sorted((number, change.version) for number, change in there.items())
    for word in ("ash", "oak"):
        assert set(await found(index, word)) == {n for n, change in there.items() if word in change.text.split()}


async def test_versions_come_in_pages_by_id(index: Lexical) -> None:
    await apply(index, *(put(number, "text", number) for number in (9, 2, 7, 4, 30)), drop(7, 8))
    assert await versions(index, limit=2) == [(2, 2), (4, 4)]
    assert await versions(index, after=4, limit=2) == [(9, 9), (30, 30)]
    assert await versions(index, after=30) == []


async def test_only_listed_audiences_are_seen(index: Lexical) -> None:
    await apply(index, put(1, "tea"), put(2, "tea", audience=OTHER), put(3, "tea", audience="team:blue"))
    assert await passed(index, "tea", Filter(frozenset({OWN}))) == {1}
    assert await passed(index, "tea", Filter(frozenset({OWN, "team:blue"}))) == {1, 3}
    assert await passed(index, "tea", Filter(frozenset({"team:red"}))) == set()
    assert await passed(index, "tea", Filter(frozenset())) == set()


async def test_hundreds_of_audiences_are_one_query(index: Lexical) -> None:
    audiences = [f"session:{number}" for number in range(400)]
    await apply(index, *(put(number, "tea", audience=audience) for number, audience in enumerate(audiences, 1)))
    assert len(await passed(index, "tea and biscuits", Filter(frozenset(audiences[:300])), limit=1_000)) == 300


async def test_an_object_that_changes_its_audience_is_seen_by_the_new_one_only(index: Lexical) -> None:
    await apply(index, put(1, "tea"))
    await apply(index, put(1, "tea", 2, audience=OTHER))
    assert await passed(index, "tea", Filter(frozenset({OWN}))) == set()
    assert await passed(index, "tea", Filter(frozenset({OTHER}))) == {1}


async def test_labels_must_meet_each_group_and_none_of_the_unwanted(index: Lexical) -> None:
    await apply(
        index,
        put(1, "tea", labels=["state:active", "tag:hot"]),
        put(2, "tea", labels=["state:active", "tag:cold"]),
        put(3, "tea", labels=["state:archived", "tag:hot"]),
        put(4, "tea"),
    )

    def labelled(*groups: set[str], none: Sequence[str] = ()) -> Filter:
        return Filter(frozenset({OWN}), tuple(frozenset(group) for group in groups), frozenset(none))

    assert await passed(index, "tea", labelled({"state:active"})) == {1, 2}
    assert await passed(index, "tea", labelled({"state:active", "state:archived"})) == {1, 2, 3}
    assert await passed(index, "tea", labelled({"state:active"}, {"tag:hot"})) == {1}
    assert await passed(index, "tea", labelled(none=["tag:hot"])) == {2, 4}
    assert await passed(index, "tea", labelled({"tag:unheard of"})) == set()
    assert await passed(index, "tea", labelled(set())) == set()


async def test_labels_may_be_any_text(index: Lexical) -> None:
    strange = ['tag:"quoted" OR x', "tag:日本 語", "tag:a\0b", "tag:*", "tag:\ud800", "tag:"]
    await apply(index, *(put(number, "tea", labels=[label]) for number, label in enumerate(strange, 1)))
    for number, label in enumerate(strange, 1):
        assert await passed(index, "tea", Filter(frozenset({OWN}), (frozenset({label}),))) == {number}


async def test_a_period_includes_its_start_and_not_its_end(index: Lexical) -> None:
    await apply(index, *(put(number, "tea", created_at=number * 10) for number in range(1, 6)))
    own = frozenset({OWN})
    assert await passed(index, "tea", Filter(own, since=20, until=40)) == {2, 3}
    assert await passed(index, "tea", Filter(own, since=41)) == {5}
    assert await passed(index, "tea", Filter(own, until=10)) == set()
    assert await passed(index, "tea", Filter(own, since=-(2**62), until=2**62)) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("share", [2, 50, 400])
async def test_a_filter_never_hides_what_passes_it(index: Lexical, share: int) -> None:
    """However many better matches fail the filter."""
    total = 1_200
    await apply(
        index,
        *(
            put(
                number,
                "tea milk" if number % share else "tea " + "with sugar and lemon " * 3,
                labels=["kind:plain" if number % share else "kind:rare"],
                created_at=0 if number % share else 1,
            )
            for number in range(1, total + 1)
        ),
    )
    rare = {number for number in range(1, total + 1) if number % share == 0}
    own = frozenset({OWN})
    limit = min(100, len(rare))
    for allowed in (
        Filter(own, (frozenset({"kind:rare"}),)),
        Filter(own, none=frozenset({"kind:plain"})),
        Filter(own, since=1),
    ):
        seen = await passed(index, "tea milk", allowed, limit=limit)
        assert len(seen) == limit
        assert seen <= rare


async def test_tenants_share_nothing(engine: LexicalEngine) -> None:
    home, away = engine.tenant(HOME), engine.tenant(AWAY)
    await apply(home, put(1, "our secret recipe", 2), put(2, "our plan"))
    alone = await matches(home, "our secret recipe")
    await apply(away, put(1, "their secret recipe"), *(put(n, "secret recipe recipe") for n in range(10, 200)))
    assert await matches(home, "our secret recipe") == alone
    assert await found(away, "our") == []
    assert await versions(home) == [(1, 2), (2, 1)]
    await apply(away, drop(2, 9))
    assert await found(home, "plan") == [2]


async def test_clear_forgets_one_tenant_and_its_tombstones(engine: LexicalEngine) -> None:
    home, away = engine.tenant(HOME), engine.tenant(AWAY)
    for index in (home, away):
        await apply(index, put(1, "tea", 3, labels=["tag:hot"]), put(2, "tea"), drop(2, 9))
    await home.clear()
    assert await found(home, "tea") == []
    assert await versions(home) == []
    assert await found(away, "tea") == [1]
    await apply(home, put(1, "coffee", 1), put(2, "coffee", 2))
    assert await found(home, "coffee") == [1, 2]
    assert await found(home, "tea") == []
    await home.clear()
    await home.clear()


async def test_what_is_stored_outlives_a_restart(row: LexicalRow, data_dir: Path) -> None:
    async with row.opens(data_dir) as engine:
        await apply(engine.tenant(HOME), put(1, "tea", 2), put(2, "coffee"), drop(2, 4))
        before = await matches(engine.tenant(HOME), "tea")
    async with row.opens(data_dir) as engine:
        index = engine.tenant(HOME)
        assert await matches(index, "tea") == before
        await apply(index, put(1, "milk", 1), put(2, "milk", 3))
        assert await found(index, "milk") == []
        assert await versions(index) == [(1, 2)]


async def test_preparing_again_keeps_everything(engine: LexicalEngine, index: Lexical) -> None:
    await apply(index, put(1, "tea"))
    await engine.prepare()
    assert await found(index, "tea") == [1]


IDENTIFIERS = (
    ("call getUserName() here", ("getUserName", "getusername", "user", "get_user_name", "user name", "GETUSERNAME")),
    ("set max_retry_count = 3", ("max_retry_count", "retry", "maxRetryCount", "MAX_RETRY_COUNT")),
    ("HTTPServer2 listens", ("HTTPServer2", "http", "server", "httpserver2")),
    ("see src/auth/token.py", ("src/auth/token.py", "token.py", "auth", "token", "auth/token")),
    (r"in C:\build\output.log", ("output.log", r"C:\build\output.log", "build")),
    ("import codingbrain.stores.lexical as x", ("codingbrain.stores.lexical", "stores.lexical", "lexical")),
    ("std::unordered_map is slow", ("std::unordered_map", "unordered_map", "map")),
    ("upgrade to Python 3.11.7", ("3.11.7", "python 3.11")),
    ("commit 3f2a9bc fixes it", ("3f2a9bc",)),
    ("the ULID 01ARZ3NDEKTSV4RRFFQ69G5FAV", ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav")),
    ("a rate-limiting proxy", ("rate-limiting", "rate limiting", "ratelimiting", "limit")),
    ("use node.js", ("node.js", "nodejs", "node")),
    ("XMLHttpRequest failed", ("XMLHttpRequest", "xml", "http", "request", "requests")),
    ("the sha256 of it", ("sha256", "SHA256", "sha")),
)


@pytest.mark.parametrize(("text", "query"), [(text, query) for text, queries in IDENTIFIERS for query in queries])
async def test_identifiers_are_found_by_their_parts_and_as_wholes(index: Lexical, text: str, query: str) -> None:
    await apply(index, put(1, text), put(2, "nothing of the kind"))
    assert await found(index, query) == [1]


async def test_the_very_identifier_comes_before_its_parts(index: Lexical) -> None:
    await apply(
        index,
        put(1, "the user gets a name and the name of the user gets a badge"),
        put(2, "getUserName and its callers, of which there are many in this module"),
        put(3, "name the user"),
    )
    assert (await found(index, "getUserName"))[0] == 2


SCRIPTS = (
    ("数据库连接池的上限是二十", ("连接池", "数据库", "上限", "池")),
    ("使用getUserName函数获取用户名", ("getUserName", "函数", "用户名")),
    ("データベースの接続数を制限する", ("データベース", "接続", "制限")),
    ("ﾃﾞｰﾀﾍﾞｰｽ", ("データベース",)),
    ("데이터베이스 연결을 제한합니다", ("데이터베이스", "연결", "제한")),
    ("การเชื่อมต่อฐานข้อมูล", ("ฐานข้อมูล", "เชื่อมต่อ")),
    ("Café in Zürich, très élégant", ("cafe", "CAFÉ", "zurich", "tres elegant", "Cafe\u0301")),
    ("Straße nach Łódź", ("strasse", "STRASSE", "Straße")),
    ("Миграция базы данных", ("миграция", "БАЗЫ")),
    ("ÉTAT de l'İstanbul", ("etat", "istanbul")),
    ("डेटाबेस कनेक्शन सीमित है", ("कनेक्शन", "डेटाबेस")),
    ("قاعدة البيانات مُحَدَّثة", ("محدثة", "البيانات")),
    ("πρωτόκολλο ασφαλείας ΟΔΟΣ", ("ΠΡΩΤΟΚΟΛΛΟ", "οδος")),
    ("\uff46\uff55\uff4c\uff4cwidth text", ("fullwidth",)),
    ("ﬁle system", ("file",)),
)


@pytest.mark.parametrize(("text", "query"), [(text, query) for text, queries in SCRIPTS for query in queries])
async def test_any_script_is_findable(index: Lexical, text: str, query: str) -> None:
    await apply(index, put(1, text), put(2, "nothing of the kind"))
    assert await found(index, query) == [1]


@pytest.mark.parametrize("query", ["running", "runs", "run", "connections", "CONNECTED"])
async def test_english_endings_do_not_matter(index: Lexical, query: str) -> None:
    await apply(index, put(1, "Runs once connected"), put(2, "nothing of the kind"))
    assert await found(index, query) == [1]


@pytest.mark.parametrize("query", ["how", "what is the", "it"])
async def test_words_that_only_ask_are_words_when_there_are_no_others(index: Lexical, query: str) -> None:
    await apply(index, put(1, "how it is what the"), put(2, "nothing of that kind"))
    assert (await found(index, query))[0] == 1


async def test_phrases_must_occur_as_consecutive_words(index: Lexical) -> None:
    await apply(
        index,
        put(1, "the connection pool is full"),
        put(2, "the pool has no connection"),
        put(3, "Connection-pool settings"),
        put(4, "connection. Pool party"),
        put(5, "connection of the pool"),
    )
    assert set(await found(index, "connection pool", phrases=["connection pool"])) == {1, 3, 4}
    assert set(await found(index, "full", phrases=["connection pool"])) == {1, 3, 4}
    assert await found(index, "", phrases=["pool is", "connection pool"]) == [1]
    assert await found(index, "pool", phrases=["pool of connection"]) == []
    assert set(await found(index, "pool", phrases=['"*', ""])) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("text", "phrase", "expected"),
    [
        ("to be or not to be", "not to be", True),
        ("call getUserName now", "getUserName", True),
        ("call getUserName now", "user name now", True),
        ("数据库连接池", "连接池", True),
        ("数据库的连接", "数据连接", False),
        ("src/auth/token.py", "auth/token.py", True),
        ("Élan vital", "elan vital", True),
        ("one two three", "two one", False),
        ("one two three", "one three", False),
    ],
)
async def test_phrases_of_every_kind(index: Lexical, text: str, phrase: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    await apply(index, put(1, text), put(2, "one two four three to be or not, 数据 and 连接"))
    assert (1 in await found(index, phrase, phrases=[phrase])) is expected


async def test_keywords_count_and_do_not_run_into_each_other(index: Lexical) -> None:
    await apply(
        index,
        put(1, "we chose it last year", keywords=["message broker", "RabbitMQ"]),
        put(2, "the broker quit", keywords=["jobs"]),
    )
    assert await found(index, "rabbitmq") == [1]
    assert set(await found(index, "broker")) == {1, 2}
    assert await found(index, "broker", phrases=["message broker"]) == [1]
    assert await found(index, "broker", phrases=["broker rabbitmq"]) == []


HOSTILE = (
    "", " ", '"', '""', "'", "*", "^", "-", "+", ":", "()", "(", "NEAR(a b)", "a NEAR b", "AND", "OR", "NOT", "a AND",
    "NOT a", '"unbalanced', 'a" OR "b', "tokens : x", "{a b} : c", "a*", "x^2", "\0", "a\0b", "\ud800", "a\udfffb",
    "🚀" * 700, "👩‍👩‍👧 and so on", "'; DROP TABLE lexical; --", "%", "_", "\\", "\u202e", "\ufeff", "x" * 2_000,
    "a " * 1_000, " ".join(f"word{number}" for number in range(250)), "{!lucene}", "a~2", "[1 TO 2]", "/re.*/", "\x1a",
    "\n\r\t", "0", "#", "1:a", "1+a", "1#a",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_any_text_can_be_asked_and_stored(index: Lexical, text: str) -> None:
    await apply(index, put(1, "plain tea"), put(2, f"{text} milk {text}", keywords=[text]))
    await matches(index, text, phrases=[text])
    assert 1 in await found(index, f"{text} tea", limit=1_000)
    assert 2 in await found(index, f"{text} milk", limit=1_000)
    await apply(index, drop(2, 2))
    assert await found(index, "milk") == []


@given(text=st.text(max_size=80), query=st.text(max_size=80))
@example(text="NULL", query='a" NOT "b')
@per_example
async def test_no_text_breaks_a_search(engine: LexicalEngine, text: str, query: str) -> None:
    index = fresh(engine)
    await apply(index, put(1, f"{text} landmark"), put(2, "landmark"))
    assert await found(index, f"{query} landmark", phrases=["landmark"]) in ([1, 2], [2, 1])
    await matches(index, query, phrases=[query])
    await apply(index, put(1, "nothing", 2))
    assert await found(index, "landmark") == [2]


async def test_the_longest_texts_and_questions_are_answered(index: Lexical) -> None:
    words = " ".join(f"term{number}" for number in range(5_000))[:32_768]
    await apply(index, put(1, words), put(2, "x" * 32_768), put(3, "字" * 32_768), put(4, "a/" * 16_384))
    assert await found(index, "term4000") == [1]
    assert await found(index, " ".join(f"term{number}" for number in range(300))[:2_000]) == [1]
    assert await found(index, "字") == [3]


async def test_searches_see_whole_changes_while_others_write(index: Lexical) -> None:
    """Each change replaces both texts of a pair, so that a search finds both in one version or the other."""
    await apply(index, put(1, "tick zero"), put(2, "tick zero"))
    done = anyio.Event()

    async def write() -> None:
        for version in range(2, 40):
            word = "odd" if version % 2 else "even"
            await apply(index, put(1, f"tick {word}", version), put(2, f"tick {word}", version))
        done.set()

    async def read() -> None:
        while not done.is_set():
            assert await found(index, "tick") == [1, 2]

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            for _ in range(3):
                tasks.start_soon(read)
    assert await versions(index) == [(1, 39), (2, 39)]


async def test_concurrent_writers_lose_nothing(index: Lexical) -> None:
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(1, 101):
                tasks.start_soon(apply, index, put(number, f"tea number{number}"))
    assert len(await found(index, "tea", limit=200)) == 100
    assert (await found(index, "number77"))[0] == 77
