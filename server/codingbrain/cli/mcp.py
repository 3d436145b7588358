"""Speak MCP over standard input and output, for a client that starts this command itself."""

import argparse
import signal
import sys

from codingbrain.cli.entry import OK, complain, layout, status
from codingbrain.errors import CodingbrainError
from codingbrain.host import wire
from codingbrain.host.front import Front
from codingbrain.host.reach import Reach, Welcome
from codingbrain.release import VERSION, order

_STDIN, _STDOUT = 0, 1


def configure(_parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""


def run(args: argparse.Namespace) -> int:
    """Serve one client until it closes its side."""

    def enter() -> Welcome:
        welcome = Reach(layout(args)).enter(wire.MCP)
        if order(welcome.version) < order(VERSION):
            print(f"codingbrain: using `codingbrain serve` of release {welcome.version}; restart it", file=sys.stderr)
        return welcome

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _leave)
    front = Front(enter, _STDIN, _STDOUT)
    try:
        front.run()
    except CodingbrainError as error:
        complain(error)
        front.refuse(error)
        return status(error)
    return OK


def _leave(_signal: int, _frame: object) -> None:
    raise SystemExit(OK)
