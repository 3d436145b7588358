"""The URL in a proof is compared as RFC 3986 says, and with nothing that a request says about the host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codingbrain.access.htu import Place, normal

ORIGIN = "https://memory.example"


@pytest.mark.parametrize(
    ("htu", "path"),
    [
        (f"{ORIGIN}/mcp", "/mcp"),
        ("HTTPS://Memory.EXAMPLE/mcp", "/mcp"),
        (f"{ORIGIN}:443/mcp", "/mcp"),
        (f"{ORIGIN}:/mcp", "/mcp"),
        (f"{ORIGIN}/mcp?toolsets=all", "/mcp"),
        (f"{ORIGIN}/mcp#part", "/mcp"),
        (f"{ORIGIN}/mcp?", "/mcp"),
        (ORIGIN, "/"),
        (f"{ORIGIN}/", "/"),
        (f"{ORIGIN}?x", "/"),
        (f"{ORIGIN}/%6dcp", "/mcp"),
        (f"{ORIGIN}/%6Dcp", "/mcp"),
        (f"{ORIGIN}/a%2fb%20c", "/a/b c"),
        (f"{ORIGIN}/%C3%A9", "/é"),
        (f"{ORIGIN}/%c3%a9", "/é"),
        (f"{ORIGIN}/a/./b/../c", "/a/c"),
        (f"{ORIGIN}/a/%2E%2e/c", "/c"),
        (f"{ORIGIN}/a/..", "/"),
        (f"{ORIGIN}/a/b/.", "/a/b/"),
        (f"{ORIGIN}/../../a", "/a"),
        (f"{ORIGIN}/messages/", "/messages/"),
        (f"{ORIGIN}//mcp", "//mcp"),
    ],
)
def test_the_same_place(htu: str, path: str) -> None:
    assert Place(ORIGIN).fits(htu, path)


@pytest.mark.parametrize(
    ("htu", "path"),
    [
        ("", "/"),
        ("/mcp", "/mcp"),
        ("//memory.example/mcp", "/mcp"),
        ("memory.example/mcp", "/mcp"),
        ("http://memory.example/mcp", "/mcp"),
        ("wss://memory.example/mcp", "/mcp"),
        (f"{ORIGIN}:8443/mcp", "/mcp"),
        (f"{ORIGIN}:80/mcp", "/mcp"),
        (f"{ORIGIN}:99999/mcp", "/mcp"),
        (f"{ORIGIN}:x/mcp", "/mcp"),
        ("https://memory.example.evil.example/mcp", "/mcp"),
        ("https://memory.example@evil.example/mcp", "/mcp"),
        ("https://someone@memory.example/mcp", "/mcp"),
        ("https://memory.example\\@evil.example/mcp", "/mcp"),
        ("https://[memory.example/mcp", "/mcp"),
        ("https://memory.example./mcp", "/mcp"),
        (f"{ORIGIN}/mcp/", "/mcp"),
        (f"{ORIGIN}/MCP", "/mcp"),
        (f"{ORIGIN}/mcp", "/sse"),
        (f"{ORIGIN}/mcp ", "/mcp"),
        (f" {ORIGIN}/mcp", "/mcp"),
        (f"{ORIGIN}/m\ncp", "/mcp"),
        (f"{ORIGIN}/mcp\x00", "/mcp"),
        (f"{ORIGIN}/é", "/é"),
        (f"{ORIGIN}/%ff", "/\ufffd"),
        (f"{ORIGIN}/a?b", "/a?b"),  # the request was for /a%3Fb
        (f"{ORIGIN}/a#b", "/a#b"),
        (f"{ORIGIN}/a%2Fb", "/a%2Fb"),  # the request was for /a%252Fb
        (f"{ORIGIN}/a%2Fb", "/a%2fb"),
        (f"{ORIGIN}/x/../mcp", "/x/../mcp"),  # no client sends this
        (f"{ORIGIN}/mcp", "/x/../mcp"),
    ],
)
def test_another_place(htu: str, path: str) -> None:
    assert not Place(ORIGIN).fits(htu, path)


@pytest.mark.parametrize(
    ("origin", "htu"),
    [
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765/mcp"),
        ("http://[::1]:8765", "http://[::1]:8765/mcp"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]:443/mcp"),
        ("HTTPS://Memory.Example:443", "https://memory.example/mcp"),
        ("https://memory.example/", "https://memory.example/mcp"),
        ("http://memory.example:80", "http://memory.example/mcp"),
    ],
)
def test_the_origin_has_one_form_too(origin: str, htu: str) -> None:
    assert Place(origin).fits(htu, "/mcp")


PATHS = st.text("abz09/.%?#~_- é\u20ac", max_size=12).map(lambda text: f"/{text}")


@given(st.text(max_size=60), PATHS)
def test_nothing_comes_out_but_an_answer(htu: str, path: str) -> None:
    assert Place(ORIGIN).fits(htu, path) is False


@given(PATHS)
def test_what_is_taken_as_the_path_is_what_a_route_would_read(encoded: str) -> None:
    """Whatever encoding `htu` has, it fits one path only."""
    try:
        decoded = normal(f"{ORIGIN}{encoded}").removeprefix(ORIGIN)
    except ValueError:
        return
    place = Place(ORIGIN)
    assert place.fits(f"{ORIGIN}{encoded}", decoded)
    assert not place.fits(f"{ORIGIN}{encoded}", f"{decoded}x")
