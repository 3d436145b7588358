"""The keys of an identity provider, over a real connection: kept, renewed, and never waited for in vain for long."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc.jwk import ECKey, OctKey
from joserfc.util import int_to_base64
from starlette.responses import JSONResponse, Response

from codingbrain.access.jwks import BACKOFF, MAX_KEYS, PATIENCE, Jwks
from codingbrain.clock import DAY, SECOND, Micros
from codingbrain.errors import UnauthenticatedError, UnavailableError
from tests.authority import ALGORITHMS, OMIT, Authority, authority, made, published, rsa

pytestmark = pytest.mark.anyio

TTL: Final = 600 * SECOND
STALE: Final = 3_600 * SECOND
LIMIT: Final = 20.0


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now: Micros = 20_000 * DAY

    def __call__(self) -> Micros:
        return self.now

    def passes(self, span: Micros) -> None:
        self.now += span


@pytest.fixture(scope="module")
def provider() -> Iterator[Authority]:
    with authority() as served:
        yield served


@pytest.fixture
def issuer(provider: Authority) -> Authority:
    """The provider, as if it had just started."""
    provider.keys = {algorithm: made(algorithm) for algorithm in ALGORITHMS}
    provider.jwks = None
    provider.fetches = 0
    provider.up()
    return provider


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def keys(issuer: Authority, time: Time) -> AsyncIterator[Jwks]:
    jwks = Jwks(issuer.jwks_url, time, TTL, STALE, ALGORITHMS)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(jwks.run)
        with anyio.fail_after(LIMIT):
            yield jwks
        tasks.cancel_scope.cancel()


async def until(holds: Callable[[], bool]) -> None:
    """Let other tasks and the provider's thread run until something is so."""
    with anyio.fail_after(LIMIT):
        while not holds():
            await anyio.lowlevel.checkpoint()


def kid(issuer: Authority, algorithm: str = "ES256") -> str:
    return issuer.keys[algorithm].thumbprint()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_key_is_found_by_its_id_or_because_it_is_the_only_one(
    keys: Jwks, issuer: Authority, algorithm: str
) -> None:
    named = await keys.key(kid(issuer, algorithm), algorithm)
    assert named.thumbprint() == kid(issuer, algorithm)
    assert (await keys.key(None, algorithm)) is named
    assert issuer.fetches == 1


@pytest.mark.parametrize("other", ALGORITHMS)
async def test_a_key_is_used_with_its_own_algorithm_only(keys: Jwks, issuer: Authority, other: str) -> None:
    for algorithm in set(ALGORITHMS) - {other}:
        with pytest.raises(UnauthenticatedError):
            await keys.key(kid(issuer, algorithm), other)


async def test_an_algorithm_that_the_issuer_may_not_use_has_no_keys(issuer: Authority, time: Time) -> None:
    jwks = Jwks(issuer.jwks_url, time, TTL, STALE, ["RS256"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(jwks.run)
        assert await jwks.key(None, "RS256")
        with pytest.raises(UnauthenticatedError):
            await jwks.key(kid(issuer), "ES256")
        tasks.cancel_scope.cancel()


async def test_without_an_id_two_keys_are_one_too_many(keys: Jwks, issuer: Authority) -> None:
    issuer.jwks = [published(made("ES256")), published(issuer.keys["ES256"])]
    assert await keys.key(kid(issuer), "ES256")
    with pytest.raises(UnauthenticatedError):
        await keys.key(None, "ES256")


async def test_many_callers_are_one_request(keys: Jwks, issuer: Authority) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(keys.key, None, "ES256")
    assert issuer.fetches == 1


async def test_a_caller_who_gives_up_leaves_the_others_their_answer(keys: Jwks, issuer: Authority) -> None:
    found: list[object] = []

    async def ask() -> None:
        found.append(await keys.key(None, "ES256"))

    with issuer.stalled():
        async with anyio.create_task_group() as impatient:
            impatient.start_soon(ask)
            await until(lambda: issuer.fetches == 1)
            impatient.cancel_scope.cancel()
        patient = anyio.create_task_group()
        await patient.__aenter__()
        patient.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
    await patient.__aexit__(None, None, None)
    assert len(found) == 1
    assert issuer.fetches == 1


async def test_keys_are_kept_for_a_while_and_then_renewed_behind_the_scenes(
    keys: Jwks, issuer: Authority, time: Time
) -> None:
    first = await keys.key(None, "ES256")
    issuer.rotate()
    time.passes(TTL - 1)
    assert await keys.key(None, "ES256") is first
    time.passes(1)
    with issuer.stalled():
        assert await keys.key(None, "ES256") is first
        assert await keys.key(None, "ES256") is first
    epoch = keys.epoch
    await until(lambda: keys.epoch != epoch)
    assert (await keys.key(None, "ES256")).thumbprint() == kid(issuer)
    assert issuer.fetches == 2


async def test_a_key_that_was_taken_back_is_gone_with_the_next_fetch(keys: Jwks, issuer: Authority, time: Time) -> None:
    await keys.key(kid(issuer), "ES256")
    former = issuer.rotate()
    time.passes(2 * TTL)
    # After so long the caller waits for the new keys, so that an idle server does not let the old key in once more.
    with pytest.raises(UnauthenticatedError):
        await keys.key(former.thumbprint(), "ES256")


async def test_the_epoch_changes_with_the_keys_and_not_with_a_fetch(keys: Jwks, issuer: Authority, time: Time) -> None:
    await keys.key(None, "ES256")
    epoch = keys.epoch
    time.passes(2 * TTL)
    await keys.key(None, "ES256")
    assert (keys.epoch, issuer.fetches) == (epoch, 2)
    issuer.rotate()
    time.passes(2 * TTL)
    await keys.key(None, "ES256")
    assert keys.epoch > epoch


async def test_a_new_key_is_found_at_once(keys: Jwks, issuer: Authority) -> None:
    await keys.key(None, "ES256")
    issuer.rotate()
    assert (await keys.key(kid(issuer), "ES256")).thumbprint() == kid(issuer)
    assert issuer.fetches == 2


async def test_made_up_key_ids_do_not_lead_to_the_issuer_again_and_again(
    keys: Jwks, issuer: Authority, time: Time
) -> None:
    await keys.key(None, "ES256")
    for number in range(100):
        with pytest.raises(UnauthenticatedError):
            await keys.key(f"made-up-{number}", "ES256")
    assert issuer.fetches == 2
    time.passes(PATIENCE)
    for number in range(100):
        with pytest.raises(UnauthenticatedError):
            await keys.key(f"made-up-{number}", "ES256")
    assert issuer.fetches == 3


async def test_old_keys_serve_while_the_issuer_is_down_and_then_nobody_gets_in(
    keys: Jwks, issuer: Authority, time: Time
) -> None:
    first = await keys.key(None, "ES256")
    issuer.down()
    time.passes(2 * TTL)
    for _ in range(10):
        assert await keys.key(None, "ES256") is first
    assert issuer.fetches == 2
    with pytest.raises(UnavailableError):
        await keys.key("unknown", "ES256")
    time.passes(TTL + STALE - 2 * TTL - 1)
    assert await keys.key(None, "ES256") is first
    await until(lambda: issuer.fetches == 3)
    time.passes(BACKOFF)
    with pytest.raises(UnavailableError):
        await keys.key(None, "ES256")
    issuer.up()
    time.passes(BACKOFF)
    assert (await keys.key(None, "ES256")).thumbprint() == kid(issuer)


async def test_without_any_keys_an_issuer_that_is_down_is_asked_now_and_then(
    keys: Jwks, issuer: Authority, time: Time
) -> None:
    issuer.down()
    for _ in range(10):
        with pytest.raises(UnavailableError):
            await keys.key(None, "ES256")
    assert issuer.fetches == 1
    time.passes(BACKOFF)
    with pytest.raises(UnavailableError):
        await keys.key(None, "ES256")
    assert issuer.fetches == 2
    issuer.up()
    time.passes(BACKOFF)
    assert await keys.key(None, "ES256")


async def test_keys_that_may_not_be_stale_are_waited_for(issuer: Authority, time: Time) -> None:
    jwks = Jwks(issuer.jwks_url, time, TTL, 0, ALGORITHMS)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(jwks.run)
        await jwks.key(None, "ES256")
        time.passes(TTL)
        assert await jwks.key(None, "ES256")
        time.passes(TTL)
        issuer.down()
        with pytest.raises(UnavailableError):
            await jwks.key(None, "ES256")
        tasks.cancel_scope.cancel()


async def test_a_clock_that_is_set_back_makes_keys_old(keys: Jwks, issuer: Authority, time: Time) -> None:
    await keys.key(None, "ES256")
    time.passes(-DAY)
    await keys.key(None, "ES256")
    assert issuer.fetches == 2


def redirecting(issuer: Authority) -> None:
    issuer.redirecting(f"{issuer.jwks_url}?again")


def chatty(issuer: Authority) -> None:
    issuer.answer = lambda: JSONResponse({"keys": [published(made("ES256")) for _ in range(MAX_KEYS + 1)]})


def text(content: bytes, **headers: str) -> Callable[[Authority], None]:
    def set_up(issuer: Authority) -> None:
        issuer.answer = lambda: Response(content, headers=headers)

    return set_up


BAD: Final[dict[str, Callable[[Authority], None]]] = {
    "down": Authority.down,
    "oversized": Authority.oversized,
    "redirecting": redirecting,
    "too many keys": chatty,
    "nothing": text(b""),
    "no text": text(b"\xff"),
    "a list": text(b"[]"),
    "an object": text(b"{}"),
    "null": text(b"null"),
    "keys in an object": text(b'{"keys": {}}'),
    "no key": text(b'{"keys": [1]}'),
    "deep": text(b"[" * 200_000),
    "deep within": text(b'{"keys":[' + b'{"a":' * 40_000),
    "compressed": text(b"\x1f\x8b" + bytes(100), **{"Content-Encoding": "gzip"}),
    "encoded": text(b'{"keys": []}', **{"Content-Encoding": "x"}),
}


@pytest.mark.parametrize("how", BAD)
async def test_an_answer_that_cannot_be_used_is_as_good_as_none(keys: Jwks, issuer: Authority, how: str) -> None:
    BAD[how](issuer)
    with pytest.raises(UnavailableError):
        await keys.key(None, "ES256")
    assert issuer.fetches == 1


async def test_a_slow_issuer_is_waited_for_up_to_a_limit(issuer: Authority, time: Time) -> None:
    jwks = Jwks(issuer.jwks_url, time, TTL, STALE, ALGORITHMS, timeout=0.2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(jwks.run)
        with issuer.stalled(), pytest.raises(UnavailableError):
            await jwks.key(None, "ES256")
        time.passes(BACKOFF)
        assert await jwks.key(None, "ES256")
        tasks.cancel_scope.cancel()


async def test_an_issuer_that_does_not_listen_is_unavailable(time: Time) -> None:
    jwks = Jwks("http://127.0.0.1:1/jwks", time, TTL, STALE, ALGORITHMS)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(jwks.run)
        with pytest.raises(UnavailableError):
            await jwks.key(None, "ES256")
        tasks.cancel_scope.cancel()


async def test_an_issuer_without_usable_keys_has_none(keys: Jwks, issuer: Authority) -> None:
    issuer.jwks = []
    with pytest.raises(UnauthenticatedError):
        await keys.key(None, "ES256")


def curve(**members: object) -> dict[str, Any]:
    return published(made("ES256"), kid="it", **members)


def short(bits: int) -> dict[str, Any]:
    modulus = generate_private_key(65_537, bits).public_key().public_numbers().n
    return {"kty": "RSA", "n": int_to_base64(modulus), "e": "AQAB", "kid": "it"}


def secret(algorithm: str) -> dict[str, Any]:
    return {**made(algorithm).as_dict(private=True), "kid": "it"}


UNUSABLE: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "for encryption": lambda: curve(use="enc"),
    "for something else": lambda: curve(use="tls"),
    "for signing only": lambda: curve(key_ops=["sign"]),
    "another algorithm": lambda: curve(alg="ES384"),
    "a secret's algorithm": lambda: curve(alg="HS256"),
    "mislabelled curve": lambda: curve(crv="P-384"),
    "unknown curve": lambda: curve(crv="secp256k1"),
    "short": lambda: curve(x="AAAA"),
    "half": lambda: curve(x=OMIT),
    "no text": lambda: curve(x=1),
    "off the curve": lambda: curve(y="A" * 43),
    "mislabelled secret": lambda: curve(kty="oct", k="c2VjcmV0"),
    "unknown type": lambda: curve(kty="AKP"),
    "no type": lambda: curve(kty=OMIT),
    "published private EC": lambda: secret("ES256"),
    "published private OKP": lambda: secret("EdDSA"),
    "published private RSA": lambda: secret("RS256"),
    "published secret": lambda: {**OctKey.generate_key().as_dict(), "kid": "it"},
    "P-384": lambda: published(ECKey.generate_key("P-384"), kid="it"),
    "RSA of 1,024 bits": lambda: short(1_024),
    "RSA of 2,047 bits": lambda: {**short(1_024), "n": int_to_base64(2**2_047 - 1)},
    "RSA of 16,384 bits": lambda: {**short(1_024), "n": int_to_base64(2**16_384 - 1)},
    "RSA with an exponent of 1": lambda: published(rsa(), kid="it", e="AQ"),
    "RSA for PSS": lambda: published(rsa(), kid="it", alg="PS256"),
    "X25519": lambda: published(made("EdDSA"), kid="it", crv="X25519"),
}


@pytest.mark.parametrize("what", UNUSABLE)
async def test_a_key_that_cannot_be_trusted_is_passed_over(keys: Jwks, issuer: Authority, what: str) -> None:
    issuer.jwks = [UNUSABLE[what](), published(issuer.keys["ES256"])]
    assert await keys.key(kid(issuer), "ES256")
    for algorithm in ALGORITHMS:
        with pytest.raises(UnauthenticatedError):
            await keys.key("it", algorithm)


async def test_two_keys_with_one_id_are_none(keys: Jwks, issuer: Authority) -> None:
    twins = [published(made(algorithm), kid="twin") for algorithm in ("ES256", "ES256", "EdDSA")]
    issuer.jwks = [*twins, published(issuer.keys["ES256"])]
    for algorithm in ALGORITHMS:
        with pytest.raises(UnauthenticatedError):
            await keys.key("twin", algorithm)
    assert await keys.key(kid(issuer), "ES256")


@pytest.mark.parametrize(("name", "alg"), [("EdDSA", "EdDSA"), ("EdDSA", "Ed25519"), ("ES256", "ES256")])
async def test_both_names_of_ed25519_are_one(keys: Jwks, issuer: Authority, name: str, alg: str) -> None:
    issuer.jwks = [published(issuer.keys[name], alg=alg, use=OMIT, key_ops=["verify"])]
    assert await keys.key(None, name)
