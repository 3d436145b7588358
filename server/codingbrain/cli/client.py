"""Show the clients that have used an org, and shut one out or let it in again."""

import argparse
import json
from typing import cast

from codingbrain.cli.entry import OK, layout
from codingbrain.host import wire
from codingbrain.host.reach import Reach, ask


def configure(parser: argparse.ArgumentParser) -> None:
    """The three things that can be done."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="show every client")
    listing.add_argument("--json", action="store_true", help="print one JSON array")
    block = actions.add_parser("block", help="refuse whatever comes through it from now on")
    unblock = actions.add_parser("unblock", help="let it in again")
    for action in (block, unblock):
        action.add_argument("name")
    for action in (listing, block, unblock):
        action.add_argument("--org", default="local", metavar="NAME", help="local if not given")


def run(args: argparse.Namespace) -> int:
    """Ask the host, after starting one if none runs: it alone writes."""
    link = Reach(layout(args)).enter(wire.CONTROL).link
    if args.action == "list":
        clients = cast("list[wire.Fields]", ask(link, "client.list", org=args.org))
        print(json.dumps(clients) if args.json else "\n".join(map(_line, clients)) or "no clients")
        return OK
    ask(link, f"client.{args.action}", org=args.org, name=args.name)
    print(f"{args.action}ed")
    return OK


def _line(client: wire.Fields) -> str:
    state = f"blocked {client['blocked_at']}" if client["blocked_at"] else f"since {client['created_at']}"
    return f"{client['name']}  {state}"
