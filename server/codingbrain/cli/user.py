"""Manage the users of an org: their role, what they are members of, and who they are to identity providers."""

import argparse
import json
from typing import cast

from codingbrain.cli.entry import OK, layout
from codingbrain.host import wire
from codingbrain.host.reach import Reach, ask

_DONE = {"add": "added", "grant": "granted", "ungrant": "ended", "disable": "disabled", "enable": "enabled"}
_ROLES = "owner, admin, developer, reader, operator or auditor"


def configure(parser: argparse.ArgumentParser) -> None:
    """All that can be done."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    for name, help_ in (
        ("add", "make a user"),
        ("role", "give a user another role"),
        ("grant", "make a user a member of a team or project"),
        ("ungrant", "end a membership"),
        ("disable", "refuse whatever the user brings from now on"),
        ("enable", "let a disabled user in again"),
        ("bind", "let a subject of an identity provider stand for a user"),
        ("list", "show every user"),
    ):
        action = actions.add_parser(name, help=help_)
        if name != "list":
            action.add_argument("name")
        action.add_argument("--org", default="local", metavar="NAME", help="local if not given")
    chosen = actions.choices
    chosen["add"].add_argument("--role", required=True, help=_ROLES)
    chosen["role"].add_argument("role", help=_ROLES)
    chosen["list"].add_argument("--json", action="store_true", help="print one JSON array")
    chosen["bind"].add_argument("--issuer", required=True, metavar="URL", help="the identity provider, as in `issuers`")
    chosen["bind"].add_argument("--subject", required=True, metavar="SUB", help="its `sub` for this user")
    for name in ("grant", "ungrant"):
        chosen[name].add_argument("grant", help="such as team:platform or project:billing")


def run(args: argparse.Namespace) -> int:
    """Ask the host, after starting one if none runs: it alone writes."""
    link = Reach(layout(args)).enter(wire.CONTROL).link
    if args.action == "list":
        users = cast("list[wire.Fields]", ask(link, "user.list", org=args.org))
        print(json.dumps(users) if args.json else "\n".join(map(_line, users)) or "no users")
        return OK
    given = {name: value for name, value in vars(args).items() if name not in {"action", "data_dir"}}
    ask(link, f"user.{args.action}", **given)
    print(_DONE.get(args.action, "changed"))
    return OK


def _line(user: wire.Fields) -> str:
    grants, identities = (cast("list[str]", user[name]) for name in ("grants", "identities"))
    state = f"disabled {user['disabled_at']}" if user["disabled_at"] else ""
    parts = (user["name"], user["role"], user["id"], " ".join(grants), ", ".join(identities), state)
    return "  ".join(str(part) for part in parts if part)
