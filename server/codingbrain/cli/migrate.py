"""Bring the database to the schema of this release; a copy of the database is kept beside it."""

import argparse
from pathlib import Path

import anyio

from codingbrain.cli.entry import FAILED, OK, layout
from codingbrain.host import wire
from codingbrain.host.reach import Reach
from codingbrain.record.schema import HEAD, revision_of, settle
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.runtime import DATABASE
from codingbrain.settings import load
from codingbrain.telemetry.metrics import Metrics


def configure(parser: argparse.ArgumentParser) -> None:
    """Whether to change anything."""
    parser.add_argument("--check", action="store_true", help="change nothing; the exit status is 1 if a change is due")


def run(args: argparse.Namespace) -> int:
    """Hold the data directory while it is done, as a host would."""
    reach = Reach(layout(args))
    load({"data_dir": reach.layout.root})
    path = reach.layout.root / DATABASE
    if args.check:
        return _report(anyio.run(_revision, path) if path.exists() else None)
    with reach.turn():
        reach.dismiss(wire.SPAWNED)
        lock = reach.inherit()
        changed = anyio.run(_settle, path)
        lock.release()
    print(f"the database is now at revision {HEAD}" if changed else f"the database is at revision {HEAD} already")
    return OK


async def _revision(path: Path) -> str | None:
    record = SqliteRecord(path, Metrics())
    async with record.running():
        return await record.read(revision_of)


async def _settle(path: Path) -> bool:
    record = SqliteRecord(path, Metrics())
    async with record.running():
        return await settle(record, path)


def _report(revision: str | None) -> int:
    print(f"the database is at revision {revision or 'none'}, this release needs {HEAD}")
    return OK if revision == HEAD else FAILED
