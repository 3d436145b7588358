"""The gate's glance at a message, against the whole parser that the transports use."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import JSONRPCNotification, JSONRPCRequest

from codingbrain.transports.message import MalformedError, parse, peek

WORDS = st.sampled_from(["2.0", "1.0", "tools/call", "ping", "whoami", "", "ü"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS, st.text(max_size=5))
OBJECTS = st.dictionaries(st.sampled_from(["name", "arguments", "x"]), VALUES, max_size=3)
MESSAGES = st.dictionaries(
    st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error"]), st.one_of(VALUES, OBJECTS, st.just([]))
)


def parsed(body: bytes) -> tuple[str, str | None] | None:
    """What `peek` says, from the whole message."""
    try:
        message = parse(body)
    except MalformedError:
        return None
    match message:
        case JSONRPCRequest(method=method, params=params):
            name = (params or {}).get("name") if method == "tools/call" else None
            return method, name if isinstance(name, str) else None
        case JSONRPCNotification(method=method):
            return method, None
        case _:
            return "", None


def glanced(body: bytes) -> tuple[str, str | None] | None:
    try:
        return peek(body)
    except MalformedError:
        return None


@given(MESSAGES, st.booleans())
def test_a_glance_sees_what_the_parser_sees(message: dict[str, Any], call: bool) -> None:  # noqa: FBT001 - drawn
    body = json.dumps({"jsonrpc": "2.0", "id": 1, **message} | ({"method": "tools/call"} if call else {})).encode()
    assert glanced(body) == parsed(body)


CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","name":"drop"}}'


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (CALL.encode(), ("tools/call", "drop")),
        (b'{"method":"ping",' + CALL[1:].encode(), ("tools/call", "drop")),
        (CALL.replace("1", "true").encode(), None),
        (CALL.replace("1", "1.5").encode(), None),
        (CALL.replace('"id":1,', "").encode(), ("tools/call", None)),
        (CALL.replace("drop", "dr\\u006fp").encode(), ("tools/call", "drop")),
        (CALL.replace("drop", "drop\\u0000").encode(), ("tools/call", "drop\0")),
        (CALL.replace("drop", "\\ud800").encode(), None),
        (f"[{CALL}]".encode(), None),
        (CALL.encode("utf-16"), None),
        (CALL.encode("utf-16-le"), None),
        (b"\xef\xbb\xbf" + CALL.encode(), None),
        (b"\xff" + CALL.encode(), None),
        (CALL.encode() + b" x", None),
        (b"", None),
        (b"null", None),
        (b"[" * 100_000, None),
    ],
)
def test_a_tool_cannot_be_called_by_another_spelling(body: bytes, seen: tuple[str, str | None] | None) -> None:
    """Two names are the last one, as for the parsers behind the gate; whatever else is unclear is refused."""
    assert glanced(body) == parsed(body) == seen


MANY = b'{"":0},' * 50_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" + MANY + b"0]", -32600),
        (b" [" + MANY, -32600),
        (b'"' + MANY + b'"', -32600),
        (b'{"a":[' + MANY + b"0]}", -32600),
        (b'\n{"jsonrpc":"2.0","id":7,"method":"ping","params":[' + MANY + b"0]}", -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping","params":{"a":[' + MANY + b"0]}}", -32600),
        (b'{"a":[' + MANY + b"0}", -32700),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":[' + MANY + b'"\\ud83d"]}}', -32602),
    ],
)
@pytest.mark.parametrize("reader", [parse, peek])
def test_the_faults_of_a_large_body_are_not_looked_into(reader: Any, body: bytes, code: int) -> None:  # noqa: ANN401
    """It is parsed once at most: twice, or a copy for each fault, would take more memory than this."""
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError) as caught:
            reader(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (caught.value.reply.error.code, caught.value.reply.id) == (code, None)
    assert peak < (1 << 20 if body.lstrip()[:1] != b"{" else 60 * len(body))
