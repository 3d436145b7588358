"""Clients that write without a pause, and the account of what they were promised."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio

from tests.journeys.program import Program, Stdio

LOST = "host_lost"


class Account:
    """What was acknowledged, and what was answered otherwise."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.lost = 0
        self._grown = anyio.Event()

    def enter(self, text: str, answer: dict[str, Any]) -> None:
        """Note the answer to a write."""
        if "error" in answer:
            assert answer["error"]["data"] == {"code": LOST, "retryable": True}, answer
            self.lost += 1
        else:
            (receipt,) = answer["result"]["structuredContent"]["results"]
            assert receipt["durable"], receipt
            self.kept.append(text)
        self._grown.set()
        self._grown = anyio.Event()

    async def reaches(self, count: int) -> None:
        """Wait until so many writes have been acknowledged in all."""
        with anyio.fail_after(60):
            while len(self.kept) < count:
                await self._grown.wait()


@asynccontextmanager
async def fronts(program: Program, count: int) -> AsyncIterator[list[Stdio]]:
    """So many clients."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(program.stdio()) for _ in range(count)]


@asynccontextmanager
async def writing(clients: list[Stdio], account: Account, name: Callable[[], str]) -> AsyncIterator[None]:
    """Each client writes one memory after another, until the block ends and its last write is answered."""
    ending = anyio.Event()

    async def work(front: Stdio) -> None:
        while not ending.is_set():
            text = name()
            account.enter(text, await front.call("add_memories", text=text))

    async with anyio.create_task_group() as tasks:
        for front in clients:
            tasks.start_soon(work, front)
        yield
        ending.set()


async def standing(front: Stdio, text: str) -> dict[str, Any]:
    """How each lane ranks a memory in a search for its own text; empty if it is not found."""
    answer = await front.call("search_memory", query=text, limit=100)
    hits = answer["result"]["structuredContent"]["hits"]
    return next((hit["why"] for hit in hits if hit["text"] == text), {})


async def missing(front: Stdio, texts: list[str], lane: str) -> list[str]:
    """The texts that a lane does not find."""
    return [text for text in texts if lane not in await standing(front, text)]


async def indexed(front: Stdio, texts: list[str]) -> None:
    """Wait until the vector lane has caught up with what was written."""
    with anyio.fail_after(120):
        while await missing(front, texts[-1:], "vector"):
            pass  # each question takes its time


def names(prefix: str) -> Callable[[], str]:
    """Texts that share no telling word."""
    count = 0

    def name() -> str:
        nonlocal count
        count += 1
        return f"{prefix}{count} is the {_word(count)} of {_word(count * 7919)}"

    return name


def _word(seed: int) -> str:
    parts = ("ba", "ko", "mi", "tu", "re", "la", "shi", "no", "ve", "du", "pa", "xi", "go", "fe", "zu", "hy")
    return "".join(parts[(seed * factor >> 3) % len(parts)] for factor in (2_654_435_761, 40_503, 97, 13))
