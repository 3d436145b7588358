"""The record's database, as far as an index that lives in the same file may use it."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Sql(Protocol):
    """Runs functions against the database; a function sees one transaction and must not keep the connection."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a read connection, off the event loop.

        Raises:
            UnavailableError, StorageError: the database cannot be read.
        """
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a write transaction; returns after it is durable.

        Raises:
            OverloadedError, StorageError: nothing of `work` was kept.
        """
        ...
