"""Which tokens are taken, how they must be sent, and for how long what was found out about them counts."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

import anyio
import pytest

from codingbrain.access.authenticator import WINDOW, Authenticator, Means
from codingbrain.access.credential import Credential, Scheme
from codingbrain.access.dpop import Proofs
from codingbrain.access.jwt import Verifier
from codingbrain.access.keyring import Keyring
from codingbrain.access.people import People
from codingbrain.clock import DAY, SECOND, Micros
from codingbrain.errors import CodingbrainError, InvalidProofError, UnauthenticatedError, UnavailableError
from codingbrain.identity.claims import Claims
from codingbrain.identity.principal import Principal
from codingbrain.identity.scopes import BASE

pytestmark = pytest.mark.anyio

Policy = Literal["off", "bound", "required"]

ORIGIN: Final = "https://memory.example"
ID: Final = "00000000-0000-7000-8000-000000000001"
JKT: Final = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
LIFE: Final = 100 * SECOND

TAKEN: Final[frozenset[tuple[Policy, Scheme, bool]]] = frozenset(
    {
        ("off", Scheme.BEARER, False),
        ("bound", Scheme.BEARER, False),
        ("bound", Scheme.DPOP, True),
        ("required", Scheme.DPOP, True),
    }
)
"""Policy, scheme, and whether the token is bound to a key; every other combination is refused."""


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now: Micros = 20_000 * DAY

    def __call__(self) -> Micros:
        return self.now


class Crowd(People):
    """Everybody is somebody, until they are not."""

    def __init__(self) -> None:
        self.asked = 0
        self.ended = False
        self.pause: Callable[[], Any] | None = None

    async def local(self) -> Principal:
        self.asked += 1
        if self.ended:
            raise UnavailableError("the record cannot be read")
        found = Principal(UUID(int=1), UUID(int=2), "owner", "stdio", BASE)
        if self.pause is not None:
            await self.pause()
        return found

    async def principal(self, claims: Claims) -> Principal:
        self.asked += 1
        if self.ended:
            raise UnauthenticatedError("ended")
        found = Principal(
            UUID(claims.org), UUID(claims.subject), "someone", claims.client, claims.scopes, jkt=claims.jkt
        )
        if self.pause is not None:
            await self.pause()
        return found


class Gullible(Proofs):
    """Takes the proof `good`, and counts."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    async def check(self, credential: Credential, jkt: str) -> None:
        self.checked.append(jkt)
        if credential.proof != "good":
            raise InvalidProofError("no")

    def nonce(self) -> str:
        return "nonce"


@dataclass(frozen=True, slots=True)
class Door:
    """An authenticator and all that it stands on."""

    keyring: Keyring
    policy: Policy
    time: Time = field(default_factory=Time)
    people: Crowd = field(default_factory=Crowd)
    proofs: Gullible = field(default_factory=Gullible)

    def open(self) -> Authenticator:
        verifier = Verifier(self.keyring, ORIGIN, (), self.time, 30 * SECOND)
        proofs = None if self.policy == "off" else self.proofs
        means = Means(verifier, self.people, proofs, self.policy == "required", DAY)
        return Authenticator(means, self.time)

    def token(self, *, bound: bool = False) -> str:
        seconds, install = self.time.now // SECOND, self.keyring.install
        who = {"iss": install, "aud": [ORIGIN], "sub": ID, "org": ID, "client_id": "editor", "jti": ID}
        said = {"scope": " ".join(BASE), "iat": seconds, "exp": seconds + LIFE // SECOND}
        return self.keyring.sign({**who, **said, **({"cnf": {"jkt": JKT}} if bound else {})})


@pytest.fixture
def keyring(data_dir: Path) -> Keyring:
    return Keyring(data_dir, lambda: 0)


def bearer(token: str) -> Credential:
    return Credential(Scheme.BEARER, token, None, "POST", "/mcp")


def dpop(token: str, proof: str | None = "good") -> Credential:
    return Credential(Scheme.DPOP, token, proof, "POST", "/mcp")


async def outcome(authenticator: Authenticator, credential: Credential) -> str:
    try:
        await authenticator.authenticate(credential)
    except CodingbrainError as error:
        return error.code
    return "taken"


POLICIES: Final[tuple[Policy, ...]] = ("off", "bound", "required")


@pytest.mark.parametrize(("policy", "scheme", "bound"), [*product(POLICIES, Scheme, (False, True))])
@pytest.mark.parametrize("warm", [False, True])
async def test_how_a_token_must_be_sent(
    keyring: Keyring, policy: Policy, scheme: Scheme, *, bound: bool, warm: bool
) -> None:
    door = Door(keyring, policy)
    authenticator, token = door.open(), door.token(bound=bound)
    if warm:
        await authenticator.still(token)
    expected = "taken" if (policy, scheme, bound) in TAKEN else "unauthenticated"
    for _ in range(2):
        assert await outcome(authenticator, replace(dpop(token), scheme=scheme)) == expected
    assert len(door.proofs.checked) == (2 if expected == "taken" and scheme is Scheme.DPOP else 0)


@pytest.mark.parametrize(("policy", "nonce"), [("off", None), ("bound", "nonce"), ("required", "nonce")])
async def test_a_nonce_is_offered_where_proofs_are_taken(keyring: Keyring, policy: Policy, nonce: str | None) -> None:
    assert Door(keyring, policy).open().nonce() == nonce


async def test_every_request_needs_a_proof_of_its_own(keyring: Keyring) -> None:
    door = Door(keyring, "bound")
    authenticator, token = door.open(), door.token(bound=True)
    assert await outcome(authenticator, dpop(token)) == "taken"
    for proof in ("bad", None):
        assert await outcome(authenticator, dpop(token, proof)) == "invalid_dpop_proof"
    assert door.proofs.checked == [JKT] * 3
    assert door.people.asked == 1


async def test_no_proof_is_used_up_and_nobody_asked_for_a_token_that_is_not_good(keyring: Keyring) -> None:
    door = Door(keyring, "bound")
    authenticator, token = door.open(), door.token(bound=True)
    for bad in ("garbage", token[:-8] + "AAAAAAAA", "\ud800", "x" * 100_000):
        assert await outcome(authenticator, dpop(bad)) == "unauthenticated"
    assert (door.proofs.checked, door.people.asked) == ([], 0)
    assert await outcome(authenticator, dpop(token, "bad")) == "invalid_dpop_proof"
    assert door.people.asked == 0


async def test_a_bearers_standing_counts_for_a_moment(keyring: Keyring) -> None:
    door = Door(keyring, "bound")
    authenticator, token = door.open(), door.token()
    for _ in range(3):
        await authenticator.authenticate(bearer(token))
        await authenticator.still(token)
    assert door.people.asked == 1
    door.people.ended = True
    door.time.now += WINDOW - 1
    await authenticator.authenticate(bearer(token))
    door.time.now += 1
    for ask in (authenticator.authenticate(bearer(token)), authenticator.still(token)):
        with pytest.raises(UnauthenticatedError):
            await ask


async def test_what_was_forgotten_is_asked_again_at_once(keyring: Keyring) -> None:
    door = Door(keyring, "bound")
    authenticator, token = door.open(), door.token()
    await authenticator.authenticate(bearer(token))
    door.people.ended = True
    authenticator.forget()
    assert await outcome(authenticator, bearer(token)) == "unauthenticated"


async def test_the_local_owners_standing_counts_as_long_as_a_bearers(keyring: Keyring) -> None:
    door = Door(keyring, "bound")
    authenticator = door.open()
    for _ in range(3):
        assert (await authenticator.local()).user_name == "owner"
    assert door.people.asked == 1
    authenticator.forget()
    await authenticator.local()
    assert door.people.asked == 2
    door.people.ended = True
    door.time.now += WINDOW - 1
    await authenticator.local()
    door.time.now += 1
    with pytest.raises(UnavailableError):
        await authenticator.local()


async def test_an_answer_that_was_on_its_way_is_not_kept(keyring: Keyring) -> None:
    door = Door(keyring, "bound")
    authenticator, token = door.open(), door.token()
    asked, go_on = anyio.Event(), anyio.Event()

    async def pause() -> None:
        asked.set()
        await go_on.wait()

    door.people.pause = pause
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(authenticator.authenticate, bearer(token))
            await asked.wait()
            door.people.ended = True
            authenticator.forget()
            go_on.set()
    assert await outcome(authenticator, bearer(token)) == "unauthenticated"


@pytest.mark.parametrize("busy", [False, True])
async def test_no_token_is_taken_after_its_end(keyring: Keyring, *, busy: bool) -> None:
    door = Door(keyring, "bound")
    authenticator, token = door.open(), door.token()
    end = door.time.now + LIFE
    await authenticator.authenticate(bearer(token))
    if busy:
        door.time.now = end - WINDOW // 2
        await authenticator.authenticate(bearer(token))
    door.time.now = end - 1
    assert await outcome(authenticator, bearer(token)) == "taken"
    door.time.now = end
    assert await outcome(authenticator, bearer(token)) == "unauthenticated"


async def test_a_key_that_was_dropped_ends_its_tokens_at_once(keyring: Keyring) -> None:
    door = Door(keyring, "bound")
    authenticator, token = door.open(), door.token()
    assert await outcome(authenticator, bearer(token)) == "taken"
    keyring.rotate()
    assert await outcome(authenticator, bearer(token)) == "taken"
    keyring.rotate(drop=True)
    assert await outcome(authenticator, bearer(token)) == "unauthenticated"
    with pytest.raises(UnauthenticatedError):
        await authenticator.still(token)
    assert await outcome(authenticator, bearer(door.token())) == "taken"


class Provider(Verifier):
    """An identity provider whose signatures all hold."""

    def __init__(self, time: Time) -> None:
        self.epoch_ = self.asked = 0
        self._time = time

    @property
    def epoch(self) -> int:
        return self.epoch_

    async def verify(self, token: str) -> Claims:
        del token
        self.asked += 1
        now = self._time.now
        return Claims("i", ID, ID, "editor", BASE, "1", now, now + DAY, None, None, frozenset(), local=False)


async def test_an_issuers_signature_counts_no_longer_than_its_keys() -> None:
    time = Time()
    provider = Provider(time)
    authenticator = Authenticator(Means(provider, Crowd(), None, required=False, trust=10 * SECOND), time)
    asked: list[int] = []
    for step in (0, 9 * SECOND, SECOND - 1, 1, 0):
        time.now += step
        await authenticator.authenticate(bearer("any"))
        asked.append(provider.asked)
    assert asked == [1, 1, 1, 2, 2]
    provider.epoch_ += 1
    await authenticator.authenticate(bearer("any"))
    assert provider.asked == 3
