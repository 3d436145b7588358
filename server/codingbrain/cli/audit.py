"""Show the audit log, and verify that nothing of it was changed or taken away."""

import argparse
import json
import re
import sys
from typing import Final, cast

from codingbrain.cli.entry import FAILED, OK, layout
from codingbrain.host import wire
from codingbrain.host.reach import Reach, ask

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_START: Final = "0" * 64


def configure(parser: argparse.ArgumentParser) -> None:
    """The two things that can be done."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    verify = actions.add_parser("verify", help="check every seal; the exit status is 1 if one does not hold")
    verify.add_argument(
        "--head",
        type=_digest,
        action="append",
        metavar="DIGEST",
        help="a head noted earlier, which must still be there",
    )
    listing = actions.add_parser("list", help="show the newest entries")
    listing.add_argument("--limit", type=int, default=50, help="50 if not given")
    listing.add_argument("--act", metavar="ACTION", help="only these, such as memory.created or auth")
    listing.add_argument("--outcome", help="only these, such as ok or insufficient_scope")
    for action in (verify, listing):
        action.add_argument("--org", metavar="NAME", help="all if not given; - is what concerns no org")
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Ask the host, after starting one if none runs: it alone has the key."""
    reach = Reach(layout(args))
    if args.action == "verify":
        return _verify(reach, args)
    sought = {"org": args.org, "limit": args.limit, "action": args.act, "outcome": args.outcome}
    lines = cast("list[wire.Fields]", _ask(reach, "audit.list", **sought))
    print(json.dumps(lines) if args.json else "\n".join(map(_line, lines)) or "no entries")
    return OK


def _verify(reach: Reach, args: argparse.Namespace) -> int:
    asked, heads = cast("list[wire.Fields]", _ask(reach, "audit.chains", org=args.org)), set[str](args.head or ())
    chains = [_told(each, _followed(reach, each, heads)) for each in asked]
    whole = not heads and all(chain["broken"] is None for chain in chains)
    if args.json:
        print(json.dumps({"whole": whole, "chains": chains, "missing_heads": sorted(heads)}))
        return OK if whole else FAILED
    for chain in chains:
        _print(chain)
    for head in sorted(heads):
        print(f"BROKEN: no seal has the digest {head}: the end of a chain was cut off or replaced", file=sys.stderr)
    return OK if whole else FAILED


def _followed(reach: Reach, chain: wire.Fields, heads: set[str]) -> wire.Fields:
    """Verify a chain stretch by stretch; `heads` lose what was found."""
    found: wire.Fields = {"number": 0, "digest": _START, "entries": 0}
    while not found.get("done"):
        place = {name: found[name] for name in ("number", "digest", "entries")}
        found = cast("wire.Fields", _ask(reach, "audit.verify", id=chain["id"], heads=sorted(heads), **place))
        heads -= set(cast("list[str]", found["heads"]))
    return found


def _told(chain: wire.Fields, found: wire.Fields) -> wire.Fields:
    head = found["digest"] if found["number"] else None
    counts = {"seals": found["number"], "entries": found["entries"], "unsealed": found["unsealed"]}
    return {"org": chain["org"], "id": chain["id"], **counts, "head": head, "broken": found["broken"]}


def _print(chain: wire.Fields) -> None:
    counts = f"{chain['seals']} seals, {chain['entries']} entries, {chain['unsealed']} not sealed yet"
    print(f"{chain['org']}: {counts}, head {chain['head'] or 'none'}")
    broken = cast("wire.Fields | None", chain["broken"])
    if broken is not None:
        where = "" if broken["first"] is None else f" (entries {broken['first']} to {broken['last']})"
        print(f"BROKEN: {chain['org']}: seal {broken['seal']}{where}: {broken['message']}", file=sys.stderr)


def _line(entry: wire.Fields) -> str:
    times = "" if entry["times"] == 1 else f"x{entry['times']}"
    what = (entry["org"], entry["actor"], entry["client"], entry["action"], entry["object"], entry["outcome"])
    return "  ".join([str(entry["at"]), *(str(each or "-") for each in what), *([times] if times else [])])


def _ask(reach: Reach, method: str, **params: object) -> object:
    return ask(reach.enter(wire.CONTROL).link, method, **params)


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text.lower()):
        raise argparse.ArgumentTypeError("a digest has 64 hexadecimal digits")
    return text.lower()
