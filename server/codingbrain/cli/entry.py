"""The `codingbrain` command: finds the module of a command and loads nothing else."""

import argparse
import gc
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol, cast

from codingbrain.directory import default_data_dir
from codingbrain.errors import CodingbrainError, ConfigurationError
from codingbrain.host.layout import Layout, claim
from codingbrain.release import VERSION

OK: Final = 0
FAILED: Final = 1
MISUSED: Final = 2


class Command(Protocol):
    """A module of this package: its docstring, its arguments, and what it does."""

    __doc__: str | None

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit status."""
        ...


COMMANDS: Final = {
    "mcp": "speak MCP over standard input and output",
    "serve": "serve MCP over HTTP",
    "status": "show the host that runs on the data directory",
    "stop": "end the host that runs on the data directory",
    "token": "issue, list and revoke access tokens",
    "keys": "show and replace the keys that sign access tokens",
    "org": "create orgs and link them to pools",
    "user": "manage users, their roles and memberships",
    "client": "show clients, and shut one out",
    "audit": "show the audit log, and verify that it is whole",
    "logs": "change what the running host logs",
    "migrate": "bring the database to the schema of this release",
    "settings": "show all settings, or check those that are set",
}

_INTERNAL: Final = ("host",)
_SERVING: Final = frozenset({"host", "serve"})
_SDK: Final = ("mcp", "mcp.server")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is success, 1 a failure, 2 a mistake in the command or the settings."""
    name, rest = _chosen(arguments)
    command = _load(name)
    parser = argparse.ArgumentParser(prog=f"codingbrain {name}", description=command.__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the data directory")
    command.configure(parser)
    try:
        return command.run(parser.parse_args(rest))
    except CodingbrainError as error:
        complain(error)
        return status(error)


def layout(args: argparse.Namespace) -> Layout:
    """The data directory that a command is about, made if need be.

    Raises:
        StorageError: it cannot be used.
    """
    return claim(args.data_dir or default_data_dir())


def complain(error: CodingbrainError) -> None:
    """One line per fault on standard error."""
    faults = error.faults if isinstance(error, ConfigurationError) else [error.message]
    for fault in faults:
        print(f"codingbrain: {error.code}: {fault}", file=sys.stderr, flush=True)


def status(error: CodingbrainError) -> int:
    """The exit status of a failure."""
    return MISUSED if isinstance(error, ConfigurationError) else FAILED


def _load(name: str) -> Command:
    # Nothing that an import makes is garbage; looking for some costs a seventh of the start.
    gc.disable()
    if name in _SERVING:
        for package in _SDK:
            _Unopened.stand_in(package)
    command = cast("Command", importlib.import_module(f"codingbrain.cli.{name}"))
    gc.freeze()
    gc.enable()
    return command


class _Unopened(ModuleType):
    """A package whose initialiser runs only when something is asked of the package itself, not of its modules.

    The SDK's initialisers import its client and its high-level server: a tenth of the start, of no use to a host.
    """

    @classmethod
    def stand_in(cls, name: str) -> None:
        """Put the package where imports look for it."""
        spec = importlib.util.find_spec(name)
        if spec is not None and name not in sys.modules:
            package = cls(name)
            package.__spec__, package.__loader__, package.__package__ = spec, spec.loader, name
            package.__path__ = list(spec.submodule_search_locations or ())
            vars(package)["unopened"] = spec.loader
            sys.modules[name] = package

    def __getattr__(self, name: str) -> object:
        """What only the initialiser defines."""
        loader = None if name.startswith("__") else vars(self).pop("unopened", None)
        if loader is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        loader.exec_module(self)
        return getattr(self, name)


def _chosen(arguments: Sequence[str] | None) -> tuple[str, list[str]]:
    parser = argparse.ArgumentParser(
        prog="codingbrain",
        description="Shared, searchable memory for AI coding assistants.",
        epilog="\n".join(["commands:", *(f"  {name:<10}{what}" for name, what in COMMANDS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"codingbrain {VERSION}")
    parser.add_argument("command", choices=[*COMMANDS, *_INTERNAL], metavar="command")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see: codingbrain command --help")
    chosen = parser.parse_args(arguments)
    return chosen.command, chosen.arguments


if __name__ == "__main__":
    sys.exit(main())
