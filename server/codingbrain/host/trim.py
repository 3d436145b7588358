"""Keeps the log of a host without a terminal short."""

import os
import shutil
import stat
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from codingbrain.host.spawn import MAX_LOG

_SECONDS: Final = 30.0


async def keep_short(path: Path, error: int = 2, most: int = MAX_LOG) -> None:
    """Set a log that has grown over `most` bytes aside, over the one before; `error` is where it is written.

    The descriptor was opened for appending, so that what comes next starts the file anew.
    """
    while True:
        await anyio.sleep(_SECONDS)
        found = os.fstat(error)
        if stat.S_ISREG(found.st_mode) and found.st_size > most:
            await anyio.to_thread.run_sync(set_aside, path, error)


def set_aside(path: Path, error: int) -> None:
    """Copy a log away and start it anew."""
    shutil.copyfile(path, path.with_suffix(".log.1"))
    os.ftruncate(error, 0)
