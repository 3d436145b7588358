"""A proof is taken once, for as long as its nonce counts, and the memory of it has an end."""

import anyio
import anyio.lowlevel
import pytest

from codingbrain.access.nonce import PERIOD, Nonces
from codingbrain.access.replay import LIVING, SHARES, Replays
from codingbrain.clock import DAY, Micros
from codingbrain.errors import UnavailableError

pytestmark = pytest.mark.anyio


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now: Micros = 20_000 * DAY

    def __call__(self) -> Micros:
        return self.now


async def test_only_the_first_time_counts() -> None:
    replays = Replays()
    assert await replays.first(0, "k", b"a")
    assert not await replays.first(0, "k", b"a")
    assert await replays.first(0, "k", b"b")


async def test_of_many_at_once_one_is_the_first() -> None:
    replays, firsts = Replays(), list[bool]()

    async def ask() -> None:
        await anyio.lowlevel.checkpoint()
        firsts.append(await replays.first(0, "k", b"a"))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask)
    assert sorted(firsts) == [False] * 49 + [True]


async def test_it_is_remembered_until_its_nonce_counts_no_more() -> None:
    replays = Replays()
    assert await replays.first(0, "k", b"a")
    assert await replays.first(1, "k", b"b")
    assert not await replays.first(0, "k", b"a")
    assert await replays.first(2, "k", b"c")
    assert not await replays.first(1, "k", b"b")


async def test_of_an_old_nonce_everything_was_seen() -> None:
    replays = Replays()
    assert await replays.first(2, "k", b"a")
    assert not await replays.first(0, "k", b"never seen")
    assert await replays.first(1, "k", b"never seen")


async def test_when_the_memory_is_full_nothing_is_accepted() -> None:
    replays = Replays(most=3)
    for key in ("a", "b", "c"):
        assert await replays.first(0, key, key.encode())
    for generation in (0, 1):
        with pytest.raises(UnavailableError):
            await replays.first(generation, "d", b"d")
    assert not await replays.first(0, "a", b"a")
    assert await replays.first(2, "d", b"d"), "the first generation is forgotten"


async def test_no_key_fills_the_memory_for_others() -> None:
    """Alone it may use half; of the rest each has a share, over all generations that count."""
    replays = Replays(most=SHARES * 4)
    half = SHARES * 2
    for number in range(half):
        assert await replays.first(number % LIVING, "greedy", number.to_bytes())
    for generation in range(LIVING):
        with pytest.raises(UnavailableError):
            await replays.first(generation, "greedy", b"more")
    assert not await replays.first(0, "greedy", bytes(1)), "it still knows what it saw"
    for number in range(4):
        assert await replays.first(1, "modest", b"modest%d" % number)
    with pytest.raises(UnavailableError):
        await replays.first(0, "modest", b"more")
    assert await replays.first(1, "another", b"another")
    for number in range(half):
        assert await replays.first(LIVING + 1, "greedy", number.to_bytes())
    assert await replays.first(LIVING + 1, "modest", b"more"), "what it used is forgotten with its generation"


def test_a_nonce_counts_for_its_time_and_once_more() -> None:
    time = Time()
    nonces = Nonces(time)
    first = nonces.nonce()
    time.now += PERIOD - 1
    assert nonces.nonce() == first
    assert nonces.generation(first) == 0
    time.now += 1
    second = nonces.nonce()
    assert second != first
    assert (nonces.generation(first), nonces.generation(second)) == (0, 1)
    time.now += PERIOD
    assert (nonces.generation(first), nonces.generation(second)) == (None, 1)


def test_a_nonce_that_nobody_used_for_long_is_gone() -> None:
    time = Time()
    nonces = Nonces(time)
    first = nonces.nonce()
    time.now += 2 * PERIOD
    assert nonces.generation(first) is None
    assert nonces.generation(nonces.nonce()) == 1


def test_a_clock_that_is_set_back_ends_every_nonce_for_good() -> None:
    time = Time()
    nonces = Nonces(time)
    first = nonces.nonce()
    time.now -= 1
    assert nonces.nonce() != first
    time.now += 1
    assert nonces.generation(first) is None


@pytest.mark.parametrize("guess", [None, "", 0, 1, True, [], {}, "guess"])
def test_only_what_was_given_out_counts(guess: object) -> None:
    assert Nonces(Time()).generation(guess) is None


def test_no_nonce_comes_back_after_a_start() -> None:
    given = {Nonces(Time()).nonce() for _ in range(1_000)}
    assert len(given) == 1_000
    assert all(len(nonce) >= 22 for nonce in given), "at least 128 bits"
