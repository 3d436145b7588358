"""Run the host process that the stdio fronts of a data directory share."""

import argparse
import os

from codingbrain import app
from codingbrain.cli.entry import OK
from codingbrain.errors import CodingbrainError
from codingbrain.host import wire
from codingbrain.host.layout import claim
from codingbrain.host.process import Plan
from codingbrain.host.process import run as serve
from codingbrain.host.reach import Reach
from codingbrain.settings import load

_STDOUT = 1


def configure(_parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""


def run(args: argparse.Namespace) -> int:
    """Serve until unused; whoever started it reads one line that says whether it came up."""
    try:
        settings = load({"data_dir": args.data_dir} if args.data_dir else {})
        layout = claim(settings.data_dir)
        Reach(layout).inherit()  # the end of the process lets go of the lock, and nothing before it
        serve(Plan(settings, layout, app.protocol, lambda: _report({"ready": True})))
    except CodingbrainError as error:
        _report({"error": wire.fault(error)})
        raise
    return OK


def _report(line: wire.Fields) -> None:
    os.write(_STDOUT, wire.encode(line))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)
