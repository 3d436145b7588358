"""What the server takes when it does nothing: memory, disk, and the tokens of its tool list."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import psutil
from packaging.requirements import Requirement

from tests.bench.figure import Figure
from tests.bench.process import MEGABYTE, pss
from tests.bench.server import PROGRAM, Server, command, environment, serving
from tests.bench.stdio import Stdio
from tests.bench.wire import Client
from tests.bench.writes import settle

_CLIENTS: Final = 8
_MOST_TOKENS: Final = 2_500
_CHARACTERS_PER_TOKEN: Final = 4


def idle(folder: Path, floor: float) -> list[Figure]:
    """Resident memory with the model loaded and nothing stored, and what the tool list costs an assistant."""
    with serving(folder / "idle") as server:
        settle(server)
        return [Figure("RSS idle, model loaded", server.usage.rss(), "MB", floor, "bare SDK RSS"), _tools(server)]


def fronts(folder: Path, floor: float) -> Figure:
    """Eight stdio clients and their host, each with an answered search behind it (RUN-6)."""
    data = folder / "fronts"
    with ExitStack() as stack:
        stack.callback(command, data, "stop")
        clients = [stack.enter_context(Stdio([*PROGRAM, "mcp"], environment(data))) for _ in range(_CLIENTS)]
        for number, client in enumerate(clients):
            client.call("add_memories", {"text": f"Client {number} was here.", "wait_seconds": 30})
            client.call("search_memory", {"query": "Which client was here?"})
        taken = pss({client.pid for client in clients} | set(_hosts(data)))
    return Figure(f"PSS of {_CLIENTS} stdio clients and host", taken, "MB", floor, "bare SDK RSS")


def installed() -> Figure:
    """The files of codingbrain's distributions, against those of the SDK alone."""
    return Figure("installed size", _size("codingbrain"), "MB", _size("mcp"), "the SDK's installed size")


def _tools(server: Server) -> Figure:
    with Client(server.address) as client:
        listed = json.dumps(client.request("tools/list", {})["tools"], separators=(",", ":"), ensure_ascii=False)
    return Figure("tools/list", len(listed) / _CHARACTERS_PER_TOKEN, "tokens", _MOST_TOKENS, "the allowed 2,500")


def _hosts(data: Path) -> Iterator[int]:
    for process in psutil.process_iter(["cmdline"]):
        if {"host", str(data)} <= set(process.info["cmdline"] or ()):
            yield process.pid


def _size(name: str) -> float:
    sizes = [path.stat().st_size for each in _closure(name, set()) for path in _files(each) if path.is_file()]
    return sum(sizes) / MEGABYTE


def _closure(name: str, seen: set[str]) -> set[str]:
    """A distribution and all that it requires here, without extras."""
    if name in seen:
        return seen
    seen.add(name)
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _closure(requirement.name.lower().replace("_", "-"), seen)
    return seen


def _files(name: str) -> Iterator[Path]:
    yield from (Path(str(path.locate())) for path in distribution(name).files or ())
