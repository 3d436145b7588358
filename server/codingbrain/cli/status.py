"""Show the host that runs on the data directory; the exit status is 1 if there is none."""

import argparse
import json
from typing import cast

from codingbrain.cli.entry import FAILED, OK, layout
from codingbrain.host import wire
from codingbrain.host.reach import Reach, ask


def configure(parser: argparse.ArgumentParser) -> None:
    """How to print it."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Ask it."""
    welcome = Reach(layout(args)).knock(wire.CONTROL)
    found = cast("wire.Fields", ask(welcome.link, "status")) if welcome else {"state": "not running"}
    print(json.dumps(found) if args.json else "\n".join(f"{name}: {_plain(value)}" for name, value in found.items()))
    return OK if welcome else FAILED


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {word}" for name, word in cast("wire.Fields", value).items())
    return "none" if value is None else str(value)
