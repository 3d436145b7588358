"""The log of a host stays short while it is written."""

import os
from pathlib import Path

from codingbrain.host.trim import set_aside


def test_what_comes_after_starts_the_log_anew(tmp_path: Path) -> None:
    log = tmp_path / "host.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b"before\n")
    set_aside(log, descriptor)
    os.write(descriptor, b"after\n")
    os.close(descriptor)
    assert log.read_text() == "after\n"
    assert log.with_suffix(".log.1").read_text() == "before\n"
