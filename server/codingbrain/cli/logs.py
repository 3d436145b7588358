"""Change what the running host logs, until it ends."""

import argparse

from codingbrain.cli.entry import OK, layout
from codingbrain.errors import UnavailableError
from codingbrain.host import wire
from codingbrain.host.reach import Reach, ask


def configure(parser: argparse.ArgumentParser) -> None:
    """What to change."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    level = actions.add_parser("level", help="set the least level that is logged")
    level.add_argument("level", type=str.upper, metavar="LEVEL", help="TRACE, DEBUG, INFO, WARNING or ERROR")


def run(args: argparse.Namespace) -> int:
    """Ask it."""
    welcome = Reach(layout(args)).knock(wire.CONTROL)
    if welcome is None:
        raise UnavailableError("no host runs on this data directory")
    print(f"the host logs {ask(welcome.link, 'logs.level', level=args.level)} and above")
    return OK
