"""Create orgs, and link them to pools that their members may read."""

import argparse
import json
from typing import cast

from codingbrain.cli.entry import OK, layout
from codingbrain.host import wire
from codingbrain.host.reach import Reach, ask


def configure(parser: argparse.ArgumentParser) -> None:
    """The four things that can be done."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    create = actions.add_parser("create", help="make an org, with nobody in it")
    create.add_argument("name")
    listing = actions.add_parser("list", help="show every org")
    listing.add_argument("--json", action="store_true", help="print one JSON array")
    for name, help_ in (("link", "let an org read what another one, the pool, shares"), ("unlink", "take that back")):
        action = actions.add_parser(name, help=help_)
        action.add_argument("org")
        action.add_argument("pool")


def run(args: argparse.Namespace) -> int:
    """Ask the host, after starting one if none runs: it alone writes."""
    link = Reach(layout(args)).enter(wire.CONTROL).link
    match args.action:
        case "create":
            ask(link, "org.create", name=args.name)
            print("created")
        case "list":
            orgs = cast("list[wire.Fields]", ask(link, "org.list"))
            print(json.dumps(orgs) if args.json else "\n".join(map(_line, orgs)))
        case action:
            ask(link, f"org.{action}", org=args.org, pool=args.pool)
            print(f"{action}ed")
    return OK


def _line(org: wire.Fields) -> str:
    pools = ", ".join(cast("list[str]", org["pools"]))
    return f"{org['name']}  {org['id']}{f'  reads {pools}' if pools else ''}"
