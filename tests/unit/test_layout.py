"""The data directory is its owner's alone."""

from pathlib import Path

import pytest

from codingbrain.errors import StorageError
from codingbrain.host.address import listen, publish, withdraw
from codingbrain.host.endpoint import Endpoint, read
from codingbrain.host.layout import Layout, claim
from codingbrain.host.lock import FileLock


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_directory_is_private(data_dir: Path) -> None:
    assert mode(claim(data_dir / "a" / "b").root) == 0o700


def test_an_open_directory_is_closed(data_dir: Path) -> None:
    data_dir.chmod(0o755)
    claim(data_dir)
    assert mode(data_dir) == 0o700


def test_an_open_directory_of_others_is_left_alone(data_dir: Path) -> None:
    data_dir.chmod(0o755)
    (data_dir / "thesis.txt").write_text("x")
    with pytest.raises(StorageError, match="holds other files"):
        claim(data_dir)
    assert mode(data_dir) == 0o755


def test_a_file_in_the_way_is_said(data_dir: Path) -> None:
    (data_dir / "file").write_text("x")
    for where in (data_dir / "file", data_dir / "file" / "below"):
        with pytest.raises(StorageError, match="a file is in the way"):
            claim(where)


def test_only_one_has_the_lock(data_dir: Path) -> None:
    first, second = FileLock(data_dir / "lock"), FileLock(data_dir / "lock")
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
    second.release()


def test_the_socket_and_its_address_are_private(data_dir: Path) -> None:
    layout = Layout(data_dir)
    bound, endpoint = listen(layout)
    with bound:
        publish(layout, endpoint)
        assert mode(layout.socket) == mode(layout.endpoint) == 0o600
        assert read(layout) == endpoint
        endpoint.dial(1).close()
    withdraw(layout, endpoint)
    assert read(layout) is None
    assert list(data_dir.iterdir()) == []


def test_a_socket_that_a_dead_host_left_is_replaced(data_dir: Path) -> None:
    first, _ = listen(Layout(data_dir))
    first.close()
    second, endpoint = listen(Layout(data_dir))
    with second:
        endpoint.dial(1).close()
    with pytest.raises(OSError, match=r"."):
        endpoint.dial(1)


def test_a_long_path_gets_a_short_private_address(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(data_dir))
    layout = claim(data_dir / ("deep" * 30))
    bound, endpoint = listen(layout)
    with bound:
        assert len(endpoint.path) < 100
        assert mode(Path(endpoint.path).parent) == 0o700
        endpoint.dial(1).close()
    Path(endpoint.path).parent.chmod(0o755)
    with pytest.raises(StorageError, match="only you may enter"):
        listen(layout)


def test_without_local_sockets_it_is_loopback_and_a_key(data_dir: Path) -> None:
    bound, endpoint = listen(Layout(data_dir), local=False)
    with bound:
        assert bound.getsockname()[0] == "127.0.0.1"
        assert len(endpoint.key) == 64
        endpoint.dial(1).close()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x", "path": 1, "port": 2, "key": 3}', "\0"])
def test_a_damaged_address_is_none(data_dir: Path, text: str) -> None:
    (data_dir / "host.json").write_text(text)
    assert read(Layout(data_dir)) is None


def test_nobody_answers_at_an_address_that_was_left() -> None:
    with pytest.raises(OSError, match=r"."):
        Endpoint(1, path="/nowhere/host.sock").dial(1)
