"""Which user is at the other end of a local socket."""

import os
import socket
import struct
import sys
from typing import Final

_XUCRED: Final = struct.Struct("=II68x")
"""macOS and FreeBSD, <sys/ucred.h>: version, uid, and groups that do not matter here."""

_LOCAL_PEERCRED: Final = 1


def is_owner(connected: socket.socket) -> bool:
    """Whether the peer runs as this process's user; true where the platform does not tell (the key tells there)."""
    if connected.family != getattr(socket, "AF_UNIX", None):
        return True
    if sys.platform == "linux":
        _pid, uid, _gid = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    elif sys.platform == "darwin":
        _version, uid = _XUCRED.unpack(connected.getsockopt(0, _LOCAL_PEERCRED, _XUCRED.size))
    else:
        return True
    return uid == os.geteuid()
