"""Bytes as lines."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from codingbrain.host.lines import split


def chunks(*parts: bytes) -> Iterator[bytes]:
    yield from parts
    yield b""


def lines(*parts: bytes, longest: int = 10) -> list[bytes]:
    arriving = chunks(*parts)
    return list(split(lambda: next(arriving), longest))


def test_a_line_over_the_limit_is_cut_and_the_next_one_is_whole() -> None:
    assert lines(b"0123456789abc", b"def\nnext\n") == [b"0123456789\n", b"next\n"]


def test_a_last_line_without_an_end_counts() -> None:
    assert lines(b"a\nb") == [b"a\n", b"b\n"]
    assert lines() == []


@given(st.lists(st.binary(max_size=12)), st.lists(st.integers(1, 9), min_size=1))
def test_how_bytes_arrive_does_not_matter(texts: list[bytes], sizes: list[int]) -> None:
    whole = b"".join(text.replace(b"\n", b"") + b"\n" for text in texts)
    parts, at, turn = [], 0, 0
    while at < len(whole):
        parts.append(whole[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    assert lines(*parts, longest=10) == [text.replace(b"\n", b"")[:10] + b"\n" for text in texts]
