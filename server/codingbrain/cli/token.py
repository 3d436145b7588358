"""Issue, list and revoke the access tokens with which clients use the HTTP address."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Final, cast

from codingbrain.cli.entry import OK, layout
from codingbrain.errors import InvalidArgumentError
from codingbrain.host import wire
from codingbrain.host.reach import Reach, ask

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_LONGEST_KEY: Final = 16_384


def configure(parser: argparse.ArgumentParser) -> None:
    """The three things that can be done."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    issue = actions.add_parser("issue", help="print a new token, once")
    issue.add_argument("--client", required=True, metavar="NAME", help="a name for what will use it")
    issue.add_argument("--user", default="owner", metavar="NAME", help="whose it is; owner if not given")
    issue.add_argument("--scope", action="append", help="what it may do; repeat for more; if not given, everyday work")
    issue.add_argument("--expires", type=_seconds, default="90d", metavar="90d", help="or 12h, 2w; at most 3650d")
    issue.add_argument("--dpop-key", type=Path, metavar="FILE", help="bind it to this public key, a JWK or PEM file")
    listing = actions.add_parser("list", help="show every token, but not its text")
    listing.add_argument("--json", action="store_true", help="print one JSON array")
    revoke = actions.add_parser("revoke", help="end a token")
    revoke.add_argument("id", nargs="?", help="as `codingbrain token list` shows it")
    revoke.add_argument("--issuer", metavar="URL", help="of a token that an identity provider issued")
    revoke.add_argument("--jti", help="that token's id")
    for action in (issue, listing, revoke):
        action.add_argument("--org", default="local", metavar="NAME", help="local if not given")


def run(args: argparse.Namespace) -> int:
    """Ask the host, after starting one if none runs: it alone writes."""
    match args.action:
        case "issue":
            _issue(args)
        case "list":
            tokens = cast("list[wire.Fields]", _ask(args, "tokens.list", org=args.org))
            print(json.dumps(tokens) if args.json else "\n".join(map(_line, tokens)) or "no tokens")
        case _:
            _revoke(args)
            print("revoked")
    return OK


def _issue(args: argparse.Namespace) -> None:
    key = None if args.dpop_key is None else _read(args.dpop_key)
    whose = {"org": args.org, "user": args.user, "client": args.client}
    issued = _ask(args, "tokens.issue", **whose, scopes=args.scope, seconds=args.expires, key=key)
    token = cast("wire.Fields", issued)
    print(token["token"])
    print(f"token {token['id']}, expires {token['expires_at']}; not shown again", file=sys.stderr)


def _revoke(args: argparse.Namespace) -> None:
    match (args.id, args.issuer, args.jti):
        case (str(id_), None, None):
            _ask(args, "tokens.revoke", org=args.org, id=id_)
        case (None, str(issuer), str(jti)):
            _ask(args, "tokens.deny", org=args.org, issuer=issuer, jti=jti)
        case _:
            raise InvalidArgumentError("give either the id of a token that was issued here, or --issuer and --jti")


def _ask(args: argparse.Namespace, method: str, **params: object) -> object:
    return ask(Reach(layout(args)).enter(wire.CONTROL).link, method, **params)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_KEY + 1)
    except OSError as error:
        raise InvalidArgumentError(f"--dpop-key: {path} cannot be read: {error.strerror}") from None
    if len(content) > _LONGEST_KEY:
        raise InvalidArgumentError(f"--dpop-key: {path} is no key: it has more than {_LONGEST_KEY} bytes")
    return content.decode(errors="replace")


def _line(token: wire.Fields) -> str:
    revoked, bound = token["revoked_at"], "  bound to a key" if token["jkt"] else ""
    until = f"revoked {revoked}" if revoked else f"expires {token['expires_at']}"
    scopes = " ".join(cast("list[str]", token["scopes"]))
    return f"{token['id']}  {token['user']}  {token['client']}  {scopes}{bound}  {until}"


def _seconds(text: str) -> int:
    if not (found := _DURATION.fullmatch(text)):
        message = f"{text!r} is not a time such as 12h or 90d"
        raise argparse.ArgumentTypeError(message)
    return int(found[1]) * _UNITS[found[2]]
