"""How a test fails when a rule finds faults."""

from collections.abc import Iterable


def none(faults: Iterable[str]) -> None:
    """Fail with one line per fault."""
    __tracebackhide__ = True
    listed = list(dict.fromkeys(faults))
    assert not listed, "\n".join(["", *listed])
