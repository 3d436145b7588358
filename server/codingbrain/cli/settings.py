"""Show all settings as a table, or check those that are set."""

import argparse

from codingbrain.cli.entry import OK
from codingbrain.directory import default_data_dir
from codingbrain.settings import load, table


def configure(parser: argparse.ArgumentParser) -> None:
    """Which of the two."""
    parser.add_argument("--check", action="store_true", help="print what is wrong with the settings, if anything")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.check:
        where = (args.data_dir or default_data_dir()).expanduser().absolute()
        load({"data_dir": where})
        print(f"the settings are valid; the data directory is {where}")
    else:
        print(table())
    return OK
