"""codingbrain meets every requirement that the official suite scores, in both eras, with each kind of credential."""

import re

import pytest

from tests.conformance.credentials import Bearer, Bound, Credentials, Nothing
from tests.conformance.front import fronted
from tests.conformance.suite import Suite
from tests.journeys.served import Served
from tests.proof import Prover

pytestmark = pytest.mark.anyio

SCORED = {"2025-11-25": 30, "2026-07-28": 37}
"""Scenarios that the requirement sets of the specification's revisions hold; the sets are frozen."""

LACKING = re.compile("server-sse-polling|tasks-.+")
"""Unscored scenarios of what codingbrain does not offer: to resume a stream, and the tasks extension."""

REVISIONS = pytest.mark.parametrize("revision", SCORED)


async def conforms(suite: Suite, served: Served, revision: str, credentials: Credentials) -> None:
    """Run the suite, and let nothing pass that was not tried."""
    with fronted(served, credentials) as (url, front):
        scored, report = await suite.scored(revision), await suite.server(url, revision)
    assert len(scored) == SCORED[revision]
    assert report.unmet(scored) == []
    assert report.code == 0, report.output[-2000:]
    offered = (name for name in report.verdicts.keys() - scored if not LACKING.fullmatch(name))
    assert report.unmet(offered) == []
    assert not front.statuses.keys() & {401, 403, 429}


@REVISIONS
@pytest.mark.proves("TEST-2")
async def test_bearer_tokens(suite: Suite, served: Served, revision: str) -> None:
    token, _ = served.token()
    await conforms(suite, served, revision, Bearer(token))


@REVISIONS
@pytest.mark.proves("TEST-2")
async def test_bound_tokens(suite: Suite, served: Served, revision: str) -> None:
    prover = Prover()
    token, _ = served.token(jkt=prover.jkt)
    credentials = Bound(token, served.origin, prover)
    async with served.http() as http:
        unsaid = await http.post("/mcp", json={}, headers=list(credentials.give("POST", "/mcp")))
    assert (unsaid.status_code, "use_dpop_nonce" in unsaid.headers["WWW-Authenticate"]) == (401, True)
    credentials.learn(unsaid.headers.raw)
    await conforms(suite, served, revision, credentials)


@REVISIONS
@pytest.mark.proves("TEST-2")
async def test_nobody_enters_without_a_credential(suite: Suite, served: Served, revision: str) -> None:
    with fronted(served, Nothing()) as (url, front):
        report = await suite.server(url, revision)
    assert report.code == 1, report.output[-2000:]
    assert front.statuses.pop(421) == 1  # the suite's one request with a foreign host
    assert front.statuses.keys() == {401}
