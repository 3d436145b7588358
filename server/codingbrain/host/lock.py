"""An advisory lock on a file, which the operating system drops when its holder dies."""

import os
import sys
from pathlib import Path

from codingbrain.errors import StorageReadOnlyError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """Not reentrant; the file stays, only its lock comes and goes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False if another process has it.

        Raises:
            StorageReadOnlyError: the file cannot be opened for writing.
        """
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            message = f"{self._path} cannot be written: {error.strerror}"
            raise StorageReadOnlyError(message) from None
        if not _lock(file):
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let go; harmless if not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _lock(file: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
