"""The reference server: the bare SDK on uvicorn with one tool that does nothing, which no MCP server can undercut much.

`python -m tests.bench.floor`
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from mcp.server import MCPServer

from tests.bench.process import Usage
from tests.bench.server import Server, environment, started
from tests.bench.wire import Address

TOOL = "nothing"

server = MCPServer("floor", log_level="WARNING")


@server.tool()
def nothing(text: str) -> dict[str, str]:
    """Give back what came."""
    return {"text": text}


@contextmanager
def floor(where: Path) -> Iterator[Server]:
    """The reference server until the block ends."""
    env = environment(where) | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with started([sys.executable, "-m", "tests.bench.floor"], env) as (process, host, port):
        yield Server(Address(host, port), Usage(process.pid))


def main() -> None:
    """Serve on a free port until ended."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        print(f"http://127.0.0.1:{bound.getsockname()[1]}", file=sys.stderr, flush=True)
        config = uvicorn.Config(server.streamable_http_app(json_response=True), log_level="warning", access_log=False)
        uvicorn.Server(config).run([bound])


if __name__ == "__main__":
    main()
