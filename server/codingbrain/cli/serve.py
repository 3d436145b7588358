"""Serve MCP over HTTP, and every stdio client of the data directory, until interrupted."""

import argparse
import sys
from contextlib import ExitStack

from codingbrain import app
from codingbrain.cli.entry import OK, layout
from codingbrain.host import wire
from codingbrain.host.process import Http, Plan
from codingbrain.host.process import run as serve
from codingbrain.host.reach import Reach
from codingbrain.host.web import bind, url
from codingbrain.settings import load


def configure(parser: argparse.ArgumentParser) -> None:
    """Where to listen."""
    parser.add_argument("--host", help="address to bind")
    parser.add_argument("--port", type=int, help="port to bind; 0 lets the system choose")


def run(args: argparse.Namespace) -> int:
    """Take the data directory over from a host that a client started, then serve."""
    reach = Reach(layout(args))
    flags = {name: value for name, value in vars(args).items() if value is not None}
    settings = load({**flags, "data_dir": reach.layout.root})
    with ExitStack() as turn:
        turn.enter_context(reach.turn())
        reach.dismiss(wire.SPAWNED)
        reach.inherit()  # the end of the process lets go of the lock, and nothing before it
        bound = bind(settings.host, settings.port)

        def listening() -> None:
            turn.close()
            print(f"codingbrain serves {url(bound)}/mcp", file=sys.stderr, flush=True)

        serve(Plan(settings, reach.layout, app.protocol, listening, Http(bound, app.build)))
    return OK
