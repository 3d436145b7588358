"""Memory that was freed but not handed back to the operating system."""

import ctypes
import sys


def trim() -> None:
    """Hand it back where the C library can (glibc, malloc_trim(3)); takes milliseconds."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):
            library.malloc_trim(0)
