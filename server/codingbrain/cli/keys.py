"""Show and replace the keys that sign this install's access tokens."""

import argparse
import json
from typing import cast

from codingbrain.cli.entry import OK, layout
from codingbrain.host import wire
from codingbrain.host.reach import Reach, ask


def configure(parser: argparse.ArgumentParser) -> None:
    """The two things that can be done."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="show every key's id and age")
    rotate = actions.add_parser("rotate", help="sign with a new key from now on")
    rotate.add_argument("--drop", action="store_true", help="forget the former keys: every token they signed ends now")
    for action in (listing, rotate):
        action.add_argument("--json", action="store_true", help="print one JSON array")


def run(args: argparse.Namespace) -> int:
    """Ask the host, after starting one if none runs: it alone signs."""
    link = Reach(layout(args)).enter(wire.CONTROL).link
    asked = ask(link, "keys.list") if args.action == "list" else ask(link, "keys.rotate", drop=args.drop)
    keys = cast("list[wire.Fields]", asked)
    print(json.dumps(keys) if args.json else "\n".join(map(_line, keys)))
    return OK


def _line(key: wire.Fields) -> str:
    return f"{key['kid']}  made {key['created_at']}  {'signs' if key['signs'] else 'verifies'}"
