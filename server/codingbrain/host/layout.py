"""What lies where in a data directory, and that only its owner may look."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from codingbrain.errors import StorageError, StorageReadOnlyError

_PRIVATE = 0o700
_OURS = frozenset({"host.lock", "start.lock", "codingbrain.db", "config.toml"})
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of the host in one data directory; `root` is absolute."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the host for as long as it lives."""
        return self.root / "host.lock"

    @property
    def turn(self) -> Path:
        """Held by whoever replaces or starts a host, until that host listens."""
        return self.root / "start.lock"

    @property
    def endpoint(self) -> Path:
        """Tells where the host listens; there only while it does."""
        return self.root / "host.json"

    @property
    def socket(self) -> Path:
        """The preferred address of the host."""
        return self.root / "host.sock"

    @property
    def log(self) -> Path:
        """What a host without a terminal writes."""
        return self.root / "host.log"


def claim(root: Path) -> Layout:
    """Create the data directory, or close it to others if it is there already.

    Raises:
        StorageReadOnlyError: the directory cannot be created or changed.
        StorageError: something else is in the way, another user owns it, or it is open to others and not ours.
    """
    where = root.expanduser().absolute()
    try:
        where.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        _close(where)
    except OSError as error:
        raise _explain(where, error) from None
    return Layout(where)


def _close(where: Path) -> None:
    found = where.stat()
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid != os.geteuid():
        message = f"the data directory {where} belongs to another user; choose your own with CODINGBRAIN_DATA_DIR"
        raise StorageError(message)
    if found.st_mode & 0o077:
        # Closing a folder that others use, such as the one for temporary files, would harm them.
        if (held := {each.name for each in where.iterdir()}) and not held & _OURS:
            message = f"the data directory {where} is open to others and holds other files; choose an empty one"
            raise StorageError(message)
        where.chmod(_PRIVATE)


def _explain(where: Path, error: OSError) -> StorageError:
    if error.errno in _READ_ONLY:
        return StorageReadOnlyError(f"the data directory {where} cannot be written: {error.strerror}")
    if isinstance(error, FileExistsError | NotADirectoryError):
        return StorageError(f"the data directory {where} cannot be made: a file is in the way")
    return StorageError(f"the data directory {where} cannot be used: {error.strerror}")
