"""Secret keys of this install, made on first use and kept in the data directory."""

import base64
import os
from pathlib import Path

from cryptography.fernet import Fernet

from codingbrain.errors import StorageError


def cursor_key(folder: Path) -> bytes:
    """The key that seals cursors: 32 random bytes in URL-safe base 64, in a file that only its owner can read.

    Raises:
        StorageError: the file can neither be read nor made, or does not hold a key.
    """
    return _kept(folder / "cursor.key", "delete it, and open cursors will have to start over")


def audit_key(folder: Path) -> bytes:
    """The 32 random bytes that seal the audit log, in a file of the same form.

    Raises:
        StorageError: the file can neither be read nor made, or does not hold a key.
    """
    key = _kept(folder / "audit.key", "restore it from a backup: without it the audit log cannot be verified")
    return base64.urlsafe_b64decode(key)


def _kept(path: Path, advice: str) -> bytes:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path, Fernet.generate_key())
        key = path.read_bytes().strip()
        Fernet(key)
    except OSError as error:
        message = f"{path} cannot be used: {error.strerror}"
        raise StorageError(message) from None
    except ValueError:
        message = f"{path} does not hold a key; {advice}"
        raise StorageError(message) from None
    return key


def _create(path: Path, key: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
