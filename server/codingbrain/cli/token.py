"""Issue, list and revoke the access tokens with which clients use the HTTP address."""

import argparse
import json
import re
import sys
from typing import Final, cast

from codingbrain.cli.entry import OK, layout
from codingbrain.host import wire
from codingbrain.host.reach import Reach, ask

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])")


def configure(parser: argparse.ArgumentParser) -> None:
    """The three things that can be done."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    issue = actions.add_parser("issue", help="print a new token, once")
    issue.add_argument("--client", required=True, help="a name for what will use it")
    issue.add_argument("--scope", action="append", help="what it may do; repeat for more; everything if not given")
    issue.add_argument("--expires", type=_seconds, default=_seconds("90d"), metavar="90d", help="or 12h, 2w, never")
    listing = actions.add_parser("list", help="show every token, but not its secret")
    listing.add_argument("--json", action="store_true", help="print one JSON array")
    revoke = actions.add_parser("revoke", help="end a token")
    revoke.add_argument("id", help="as `codingbrain token list` shows it")


def run(args: argparse.Namespace) -> int:
    """Ask the host, after starting one if none runs: it alone writes."""
    link = Reach(layout(args)).enter(wire.CONTROL).link
    match args.action:
        case "issue":
            asked = {"client": args.client, "scopes": args.scope, "seconds": args.expires}
            issued = cast("wire.Fields", ask(link, "token.issue", **asked))
            print(issued["token"])
            print(f"token {issued['id']}, expires: {issued['expires_at'] or 'never'}; not shown again", file=sys.stderr)
        case "list":
            tokens = cast("list[wire.Fields]", ask(link, "token.list"))
            print(json.dumps(tokens) if args.json else "\n".join(map(_line, tokens)) or "no tokens")
        case _:
            ask(link, "token.revoke", id=args.id)
            print("revoked")
    return OK


def _line(token: wire.Fields) -> str:
    revoked, expires = token["revoked_at"], token["expires_at"]
    until = f"revoked {revoked}" if revoked else f"expires {expires or 'never'}"
    return f"{token['id']}  {token['client']}  {' '.join(cast('list[str]', token['scopes']))}  {until}"


def _seconds(text: str) -> int | None:
    if text == "never":
        return None
    if not (found := _DURATION.fullmatch(text)):
        message = f"{text!r} is not a time such as 12h, 90d or never"
        raise argparse.ArgumentTypeError(message)
    return int(found[1]) * _UNITS[found[2]]
