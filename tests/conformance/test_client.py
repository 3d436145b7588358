"""Our client's proofs convince the official suite, which is somebody else's implementation of RFC 9449."""

import shlex
import sys

import pytest

from tests.conformance.suite import Suite

pytestmark = pytest.mark.anyio

COMMAND = shlex.join([sys.executable, "-m", "tests.conformance.dpopclient"])


@pytest.mark.proves("TEST-2")
@pytest.mark.parametrize(("scenario", "checks"), [("auth/dpop", 12), ("auth/dpop-nonce", 14)])
async def test_dpop(suite: Suite, scenario: str, checks: int) -> None:
    report = await suite.client(COMMAND, scenario)
    assert report.code == 0, report.output[-2000:]
    assert report.unmet(frozenset({scenario})) == []
    assert report.verdicts[scenario].passed >= checks
