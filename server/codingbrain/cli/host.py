"""Run the host process that the stdio fronts of a data directory share."""

import argparse
import os

from codingbrain import app
from codingbrain.cli.entry import OK, layout
from codingbrain.errors import CodingbrainError
from codingbrain.host import wire
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
        where = layout(args)
        settings = load({"data_dir": where.root})
        Reach(where).inherit()  # the end of the process lets go of the lock, and nothing before it
        serve(Plan(settings, where, app.protocol, lambda: _report({"ready": True})))
    except CodingbrainError as error:
        _report({"error": wire.fault(error)})
        raise
    return OK


def _report(line: wire.Fields) -> None:
    os.write(_STDOUT, wire.encode(line))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)
