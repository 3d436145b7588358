"""End the host that runs on the data directory, after it has answered what it was asked."""

import argparse

from codingbrain.cli.entry import OK, layout
from codingbrain.host import wire
from codingbrain.host.reach import Reach


def configure(_parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""


def run(args: argparse.Namespace) -> int:
    """Ask it to step down, and wait until it has."""
    reach = Reach(layout(args))
    with reach.turn():
        running = reach.dismiss(wire.SPAWNED, wire.SERVE)
        reach.inherit().release()
    print("stopped" if running else "no host was running")
    return OK
