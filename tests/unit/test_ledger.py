"""What a front remembers of a conversation."""

import json

import pytest

from codingbrain.host.ledger import Ledger, parse


def line(method: str | None = None, id_: object = None, **fields: object) -> bytes:
    """A JSON-RPC message."""
    head = {} if method is None else {"method": method}
    number = {} if id_ is None else {"id": id_}
    return json.dumps({"jsonrpc": "2.0", **head, **number, **fields}).encode() + b"\n"


def sent(ledger: Ledger, *lines: bytes) -> None:
    for each in lines:
        ledger.sent(parse(each), each)


def received(ledger: Ledger, *lines: bytes) -> None:
    for each in lines:
        ledger.received(parse(each))


@pytest.mark.parametrize("text", [b"nonsense\n", b"{\n", b'"\xff"\n', b"[" * 100_000])
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize("text", [b"[]\n", b"1\n", b"null\n", b'{"method": 5, "params": []}\n'])
def test_json_that_is_no_message_passes_untouched(text: bytes) -> None:
    message = parse(text)
    assert not message.is_request
    assert not message.is_work


def test_ids_of_different_types_are_different() -> None:
    ledger = Ledger()
    sent(ledger, line("a", 1), line("b", "1"), line("c", id_=1.5))
    received(ledger, line(id_="1", result={}))
    assert [message.id for message in ledger.lose()] == [1, 1.5]


def test_it_is_settled_when_every_request_is_answered() -> None:
    ledger = Ledger()
    assert ledger.settled
    sent(ledger, line("tools/call", 1), line("notifications/progress"))
    assert not ledger.settled
    received(ledger, line("notifications/message"), line("sampling/createMessage", 1))
    assert not ledger.settled
    received(ledger, line(id_=1, error={"code": -1, "message": ""}))
    assert ledger.settled


def test_nobody_waits_for_a_cancelled_request_or_a_subscription() -> None:
    ledger = Ledger()
    sent(ledger, line("tools/call", 1), line("subscriptions/listen", 2))
    sent(ledger, line("notifications/cancelled", params={"requestId": 1}))
    assert ledger.settled
    assert [message.id for message in ledger.lose()] == [2]


def test_a_handshake_is_remembered_once_it_was_sent() -> None:
    ledger = Ledger()
    first, second = line("initialize", 0), line("notifications/initialized")
    assert ledger.handshake() == ()
    sent(ledger, first)
    assert ledger.opening
    received(ledger, line(id_=0, result={}))
    assert not ledger.opening
    sent(ledger, second)
    assert ledger.handshake() == (first, second)


def test_a_refused_handshake_is_forgotten() -> None:
    ledger = Ledger()
    sent(ledger, line("initialize", 0))
    received(ledger, line(id_=0, error={"code": -32022, "message": ""}))
    assert ledger.handshake() == ()


def test_the_next_host_answers_the_opening_request() -> None:
    ledger = Ledger()
    sent(ledger, line("initialize", 0), line("tools/list", 1))
    assert [message.id for message in ledger.lose()] == [1]
    assert ledger.opening
    assert [message.id for message in ledger.lose(opening=True)] == [0]
