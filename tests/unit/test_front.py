"""The pump between a client's pipes and hosts that come and go."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest

from codingbrain.errors import CodingbrainError, StorageError
from codingbrain.host import wire
from codingbrain.host.front import Front
from codingbrain.host.link import Link
from codingbrain.host.reach import Welcome

SECONDS = 10
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize"}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Peer:
    """One end of a connection, as lines of JSON."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(SECONDS)
        self._socket = connected
        self._file = connected.makefile("rb")

    def say(self, message: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        return json.loads(self._file.readline())

    def answer(self, id_: object) -> None:
        self.say({"jsonrpc": "2.0", "id": id_, "result": {}})

    def retire(self) -> None:
        self._socket.sendall(wire.RETIRING)

    def is_left(self) -> bool:
        return self._file.readline() == b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Stage:
    """A front between a client, and hosts that a test lets come up one by one."""

    def __init__(self) -> None:
        near, far = socket.socketpair()
        self.client = Peer(near)
        self._far = far
        self._hosts: Queue[Welcome | CodingbrainError] = Queue()
        self._opened: list[Peer | socket.socket] = []
        self.asked = threading.Semaphore(0)
        self.front = Front(self._enter, far.fileno(), far.fileno())
        self.outcome: CodingbrainError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def host(self, limit: int = 1_000) -> Peer:
        """A host that comes up now."""
        near, far = socket.socketpair()
        peer = Peer(near)
        self._opened += [peer, far]
        self._hosts.put(Welcome(Link(far), "1", wire.SPAWNED, limit))
        return peer

    def no_host(self, error: CodingbrainError) -> None:
        self._hosts.put(error)

    def ended(self) -> bool:
        self._thread.join(SECONDS)
        return not self._thread.is_alive()

    def leave(self) -> None:
        self.client.close()
        self.no_host(StorageError("the test is over"))
        for each in self._opened:
            each.close()
        assert self.ended()
        self._far.close()

    def _enter(self) -> Welcome:
        self.asked.release()
        found = self._hosts.get(timeout=SECONDS)
        if isinstance(found, CodingbrainError):
            raise found
        return found

    def _run(self) -> None:
        try:
            self.front.run()
        except CodingbrainError as error:
            self.outcome = error
            self.front.refuse(error)


@pytest.fixture
def stage() -> Iterator[Stage]:
    opened = Stage()
    yield opened
    opened.leave()


def request(id_: object, method: str = "tools/call") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method}


def shake(client: Peer, host: Peer) -> None:
    client.say(INITIALIZE)
    assert host.hear() == INITIALIZE
    host.answer(0)
    assert client.hear()["id"] == 0
    client.say(INITIALIZED)
    assert host.hear() == INITIALIZED


def test_lines_pass_in_both_directions(stage: Stage) -> None:
    host = stage.host()
    shake(stage.client, host)
    stage.client.say(request(1))
    assert host.hear() == request(1)
    host.say({"jsonrpc": "2.0", "method": "notifications/progress"})
    assert stage.client.hear()["method"] == "notifications/progress"


def test_what_is_not_json_is_answered_without_a_host(stage: Stage) -> None:
    stage.client._socket.sendall(b"nonsense\n\n")  # noqa: SLF001 - a client that is broken
    assert stage.client.hear()["error"]["code"] == -32700


def test_a_line_over_the_limit_is_answered_by_its_id(stage: Stage) -> None:
    host = stage.host(limit=100)
    stage.client.say({**request("big"), "params": {"text": "x" * 200}})
    answer = stage.client.hear()
    assert (answer["id"], answer["error"]["data"]["code"]) == ("big", "limit_exceeded")
    stage.client.say(request(2))
    assert host.hear() == request(2)


def test_a_lost_host_is_replaced_and_its_requests_are_answered(stage: Stage) -> None:
    first = stage.host()
    shake(stage.client, first)
    stage.client.say(request(1))
    assert first.hear() == request(1)
    first.close()
    answer = stage.client.hear()
    assert answer["id"] == 1
    assert answer["error"]["data"] == {"code": "host_lost", "retryable": True}
    second = stage.host()
    assert [second.hear(), second.hear()] == [INITIALIZE, INITIALIZED]
    second.answer(0)
    stage.client.say(request(2))
    assert second.hear() == request(2)
    second.answer(2)
    assert stage.client.hear()["id"] == 2


def test_the_next_host_answers_the_opening_request(stage: Stage) -> None:
    first = stage.host()
    stage.client.say(INITIALIZE)
    first.hear()
    first.close()
    second = stage.host()
    assert second.hear() == INITIALIZE
    second.answer(0)
    assert stage.client.hear()["id"] == 0


def test_a_host_that_steps_down_finishes_and_gets_nothing_new(stage: Stage) -> None:
    first = stage.host()
    shake(stage.client, first)
    stage.client.say(request(1))
    assert first.hear() == request(1)
    first.retire()
    first.say({"jsonrpc": "2.0", "method": "marker"})
    assert stage.client.hear()["method"] == "marker"
    stage.client.say({"jsonrpc": "2.0", "id": "asked", "result": {}})
    assert first.hear()["id"] == "asked"
    stage.client.say(request(2))
    first.answer(1)
    assert stage.client.hear()["id"] == 1
    assert first.is_left()
    second = stage.host()
    assert [second.hear(), second.hear()] == [INITIALIZE, INITIALIZED]
    second.answer(0)
    assert second.hear() == request(2)


def test_after_a_host_stepped_down_the_next_is_sought_when_needed(stage: Stage) -> None:
    first = stage.host()
    shake(stage.client, first)
    assert stage.asked.acquire(timeout=SECONDS)
    first.retire()
    assert first.is_left()
    assert not stage.asked.acquire(timeout=0.1)
    stage.client.say(request(1))
    assert stage.asked.acquire(timeout=SECONDS)


def test_without_a_host_every_request_is_told_why(stage: Stage) -> None:
    stage.no_host(StorageError("the disk is gone"))
    for id_ in (1, 2):
        stage.client.say(request(id_))
        error = stage.client.hear()["error"]
        assert (error["data"]["code"], error["message"]) == ("storage_failed", "the disk is gone")
    assert stage.ended()


def test_hosts_that_end_at_once_are_not_started_for_ever(stage: Stage) -> None:
    for _ in range(5):
        stage.host().close()
    while stage.outcome is None:
        stage.client.say(request(1))
        assert stage.client.hear()["error"]["data"]["code"] in {"host_failed", "host_lost"}
    stage.client.say(request(2))
    assert stage.client.hear()["error"]["data"]["code"] == "host_failed"
    assert stage.ended()


def test_the_end_of_input_ends_the_front_after_the_last_answer(stage: Stage) -> None:
    host = stage.host()
    stage.client.say(request(1))
    host.hear()
    stage.client._socket.shutdown(socket.SHUT_WR)  # noqa: SLF001 - the client's pipe ends
    assert host.is_left()
    host.answer(1)
    host.close()
    assert stage.client.hear()["id"] == 1
    assert stage.ended()
    assert stage.outcome is None


def test_a_client_that_does_not_listen_ends_the_front() -> None:
    source, feed = os.pipe()
    ear, sink = os.pipe()
    os.close(ear)
    near, far = socket.socketpair()
    front = Front(lambda: Welcome(Link(far), "1", wire.SPAWNED, 100), source, sink)
    thread = threading.Thread(target=front.run, daemon=True)
    thread.start()
    host = Peer(near)
    os.write(feed, b'{"id": 1, "method": "x"}\n')
    host.hear()
    host.answer(1)
    assert host.is_left()
    host.close()
    thread.join(SECONDS)
    assert not thread.is_alive()
    for each in (source, feed, sink):
        os.close(each)
    far.close()
