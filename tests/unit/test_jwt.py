"""Which access tokens are good: forged, foreign and broken ones are not, and none of them is told why."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from codingbrain.access.jwks import Jwks
from codingbrain.access.jwt import MAX_TOKEN, REFUSED, Trusted, Verifier
from codingbrain.access.keyring import Keyring
from codingbrain.clock import SECOND, now
from codingbrain.errors import UnauthenticatedError, UnavailableError
from codingbrain.settings import Issuer
from tests.authority import OMIT, Authority, authority, encode, made, rsa

pytestmark = pytest.mark.anyio

ORIGIN: Final = "https://memory.example"
LEEWAY: Final = 30 * SECOND
ID: Final = str(UUID(int=7))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Authority]:
    """A provider that is trusted with all algorithms."""
    with authority() as served:
        yield served


@pytest.fixture(scope="module")
def other() -> Iterator[Authority]:
    """Another one that is trusted with one org and with RS256."""
    with authority() as served:
        yield served


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(tmp_path_factory.mktemp("keys"), now)


def trusted(issuer: Authority, **settings: Any) -> Trusted:  # noqa: ANN401 - the fields of an issuer
    entry = Issuer(**issuer.issuer(**settings))
    return Trusted(entry, Jwks(entry.jwks_url, now, 600 * SECOND, 600 * SECOND, entry.algorithms))


@pytest.fixture(scope="module")
async def verifier(keyring: Keyring, issuer: Authority, other: Authority) -> AsyncIterator[Verifier]:
    entries = [trusted(issuer), trusted(other, org="other", algorithms=["RS256"])]
    verifier = Verifier(keyring, ORIGIN, entries, now, LEEWAY)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(verifier.run)
        yield verifier
        tasks.cancel_scope.cancel()


@pytest.fixture(scope="module")
def alone(keyring: Keyring) -> Verifier:
    """A verifier that trusts no other issuer."""
    return Verifier(keyring, ORIGIN, [], now, LEEWAY)


@pytest.fixture(scope="module")
def good(keyring: Keyring) -> str:
    return keyring.sign(local(keyring))


def local(keyring: Keyring, **claims: object) -> dict[str, Any]:
    at = int(time.time())
    said = {"iss": keyring.install, "aud": [ORIGIN, keyring.install], "sub": ID, "org": ID, "jti": ID, "iat": at}
    return {**said, "client_id": "editor", "exp": at + 60, "scope": "memories:read", **claims}


async def refuse(verifier: Verifier, token: str) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        await verifier.verify(token)
    assert type(caught.value) is UnauthenticatedError
    assert (caught.value.message, caught.value.details, caught.value.__cause__) == (REFUSED, {}, None)


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "Ed25519", "RS256"])
async def test_a_token_of_a_trusted_issuer_is_good(verifier: Verifier, issuer: Authority, alg: str) -> None:
    claims = await verifier.verify(issuer.token(ORIGIN, header={"alg": alg}))
    assert (claims.issuer, claims.subject, claims.org, claims.local) == (issuer.url, "alice", "local", False)


@pytest.mark.parametrize("audience", [f"{ORIGIN}/", ["https://other.example", ORIGIN]])
async def test_the_origin_is_the_audience(verifier: Verifier, issuer: Authority, audience: object) -> None:
    assert await verifier.verify(issuer.token(audience))


async def test_a_token_of_this_install_is_good(verifier: Verifier, keyring: Keyring) -> None:
    claims = await verifier.verify(keyring.sign(local(keyring)))
    assert (claims.issuer, claims.subject, claims.org, claims.local) == (keyring.install, ID, ID, True)
    assert await verifier.verify(keyring.sign(local(keyring, aud=keyring.install)))


@pytest.mark.parametrize("header", [{"kid": OMIT}, {"typ": "application/AT+JWT"}, {"cty": "x", "x-own": [1]}])
async def test_a_header_may_say_less_or_more(verifier: Verifier, issuer: Authority, header: dict[str, Any]) -> None:
    assert await verifier.verify(issuer.token(ORIGIN, header=header))


@dataclass(frozen=True, slots=True)
class Parties:
    """Whose keys a forger may have."""

    issuer: Authority
    other: Authority
    keyring: Keyring


@pytest.fixture
def parties(issuer: Authority, other: Authority, keyring: Keyring) -> Parties:
    return Parties(issuer, other, keyring)


Forge = Callable[[Parties], str]
Choose = Callable[[Parties], Key | bytes]


def nobodys(_: Parties) -> Key:
    return made("ES256")


def issuers(parties: Parties) -> Key:
    return parties.issuer.keys["ES256"]


def issuers_rsa(parties: Parties) -> Key:
    return parties.issuer.keys["RS256"]


def others(parties: Parties) -> Key:
    return parties.other.keys["ES256"]


def said(header: Mapping[str, Any] | None = None, key: Choose | None = None, **claims: object) -> Forge:
    """A token of the issuer, but for these."""
    return lambda parties: parties.issuer.token(ORIGIN, key=key(parties) if key else None, header=header, **claims)


def by(key: Choose, **header: object) -> Forge:
    return said(header, key)


def as_secret(shown: Callable[[Key], bytes]) -> Forge:
    """A public key as the secret of HS256: what a verifier accepts that believes `alg`."""

    def forge(parties: Parties) -> str:
        key = issuers_rsa(parties)
        return parties.issuer.token(ORIGIN, key=shown(key), header={"alg": "HS256", "kid": key.thumbprint()})

    return forge


def pem(key: Key) -> bytes:
    assert isinstance(key, RSAKey)
    return key.as_pem(private=False)


def member(key: Key) -> bytes:
    return json.dumps(key.as_dict(private=False)).encode()


def embedded(name: str) -> Forge:
    """The attacker's key, with the key itself or a pointer to it in the header."""

    def forge(parties: Parties) -> str:
        key, url = made("ES256"), parties.other.jwks_url
        pointers = {"jwk": key.as_dict(private=False), "jku": url, "x5u": url, "x5c": ["AA=="]}
        return parties.issuer.token(ORIGIN, key=key, header={name: pointers[name]})

    return forge


def as_local(key: Choose = nobodys, **header: object) -> Forge:
    """A token that says that it is of this install."""

    def forge(parties: Parties) -> str:
        named = {"alg": "ES256", "typ": "at+jwt", "kid": parties.keyring.listed()[0].kid, **header}
        kept = {name: value for name, value in named.items() if value is not OMIT}
        return encode(kept, local(parties.keyring), key(parties))

    return forge


def locally(**claims: object) -> Forge:
    """A token that this install signed, and should not have."""
    return lambda parties: parties.keyring.sign(local(parties.keyring, **claims))


def mangled(change: Callable[[str, str, str], list[str]]) -> Forge:
    return lambda parties: ".".join(change(*parties.issuer.token(ORIGIN).split(".")))


def replaced(segment: str, old: str, new: str) -> str:
    return b64(urlsafe_b64decode(segment.encode()).replace(old.encode(), new.encode()))


def b64(content: bytes) -> str:
    return urlsafe_b64encode(content).decode()


def header(content: bytes) -> Forge:
    return lambda _: f"{b64(content)}.e30.AA"


def payload(content: bytes) -> Forge:
    """Anything, signed by the issuer."""
    return lambda parties: encode(
        {"alg": "ES256", "typ": "at+jwt", "kid": issuers(parties).thumbprint()}, content, issuers(parties)
    )


AT: Final = int(time.time())
FORGED: Final[dict[str, Forge]] = {
    "not signed": said({"alg": "none"}),
    "not signed, with a signature": mangled(lambda head, body, sig: [replaced(head, "ES256", "none"), body, sig]),
    "no signature": mangled(lambda head, body, _: [head, body, ""]),
    "no algorithm": mangled(lambda head, body, sig: [replaced(head, '"alg"', '"gla"'), body, sig]),
    "an algorithm that is no text": mangled(lambda head, body, sig: [replaced(head, '"ES256"', "[1]"), body, sig]),
    "HS256 with the public key as PEM": as_secret(pem),
    "HS256 with the public key as JWK": as_secret(member),
    "ES384": by(lambda _: ECKey.generate_key("P-384"), alg="ES384"),
    "PS256": by(issuers_rsa, alg="PS256"),
    "RS512": by(issuers_rsa, alg="RS512"),
    "a key of nobody": by(nobodys),
    "a key of nobody under a known id": lambda parties: by(nobodys, kid=issuers(parties).thumbprint())(parties),
    "a key of another issuer": by(others),
    "a key of another issuer, without its id": by(others, kid=OMIT),
    "a key of nobody under an id of this install": lambda parties: by(nobodys, kid=parties.keyring.listed()[0].kid)(
        parties
    ),
    "another key's id": lambda parties: said({"kid": issuers_rsa(parties).thumbprint()})(parties),
    "an algorithm that this issuer may not use": lambda parties: parties.other.token(ORIGIN),
    "an embedded key": embedded("jwk"),
    "a pointer to a key": embedded("jku"),
    "a pointer to a certificate": embedded("x5u"),
    "an embedded certificate": embedded("x5c"),
    "a critical extension": said({"crit": ["exp"]}),
    "a critical extension that is understood elsewhere": said({"crit": ["b64"], "b64": False}),
    "no critical extension": said({"crit": []}),
    "a critical extension of the wrong type": said({"crit": 1}),
    "a path as key id": said({"kid": "../../../../dev/null"}),
    "a query as key id": said({"kid": "' OR 1=1 --"}),
    "a key id with NUL": said({"kid": "a\0b"}),
    "an empty key id": said({"kid": ""}),
    "a key id that is no text": said({"kid": {"$ne": None}}),
    "a long key id": said({"kid": "k" * 4_000}),
    "no type": said({"typ": OMIT}),
    "an ID token": said({"typ": "JWT"}),
    "a proof": said({"typ": "dpop+jwt"}),
    "no issuer": said(iss=OMIT),
    "an unknown issuer": said(iss="https://evil.example"),
    "an issuer with a slash": lambda parties: parties.issuer.token(ORIGIN, iss=f"{parties.issuer.url}/"),
    "several issuers": lambda parties: parties.issuer.token(ORIGIN, iss=[parties.issuer.url]),
    "no audience": said(aud=OMIT),
    "another audience": said(aud="https://other.example"),
    "the install as audience": lambda parties: parties.issuer.token(parties.keyring.install),
    "no subject": said(sub=OMIT),
    "no client": said(client_id=OMIT),
    "no id": said(jti=OMIT),
    "no time of issue": said(iat=OMIT),
    "no expiry": said(exp=OMIT),
    "expired": said(iat=AT - 600, exp=AT - 60),
    "issued tomorrow": said(iat=AT + 86_400, exp=AT + 90_000),
    "valid from tomorrow": said(nbf=AT + 86_400),
    "bound to a certificate": said(cnf={"x5t#S256": "A" * 43}),
    "huge": said(padding="x" * MAX_TOKEN),
    "another payload": mangled(lambda head, body, sig: [head, replaced(body, "alice", "admin"), sig]),
    "another signature": mangled(
        lambda head, body, sig: [head, body, sig[:9] + ("A" if sig[9] != "A" else "B") + sig[10:]]
    ),
    "a signature of zeros": mangled(lambda head, body, _: [head, body, b64(bytes(64))]),
    "a signature in DER": mangled(lambda head, body, _: [head, body, b64(b"\x30\x06\x02\x01\x01\x02\x01\x01")]),
    "padded": mangled(lambda head, body, sig: [head, body, f"{sig}=="]),
    "four segments": mangled(lambda head, body, sig: [head, body, sig, ""]),
    "two segments": mangled(lambda head, body, _: [head, body]),
    "a line break": mangled(lambda head, body, sig: [head, body, f"{sig}\n"]),
    "letters beyond ASCII": mangled(lambda head, body, sig: [head, body, f"{sig}é"]),
    "a lone surrogate": mangled(lambda head, body, sig: [head, body, f"{sig}\ud800"]),
    "nothing": lambda _: "",
    "a header that is a list": header(b"[]"),
    "a header that is a text": header(b'"alg"'),
    "a header that is deep": header(b"[" * 4_000),
    "a payload that is a list": payload(b"[]"),
    "a payload that is no JSON": payload(b"{"),
    "a payload that is not UTF-8": payload('{"a": 1}'.encode("utf-16")),
    "a payload that is deep": payload(b"[" * 5_000),
    "a number without end": payload(b'{"exp": ' + b"9" * 5_000 + b"}"),
    "local, a key of nobody": as_local(),
    "local, a key of an issuer": as_local(issuers),
    "local, no key id": as_local(kid=OMIT),
    "local, unknown key id": as_local(kid="unknown"),
    "local, a key id that is no text": as_local(kid={"a": 1}),
    "local, RS256": as_local(lambda _: rsa(), alg="RS256"),
    "local, EdDSA": as_local(lambda _: made("EdDSA"), alg="EdDSA"),
    "local, not signed": as_local(alg="none"),
    "local, another audience": locally(aud="https://other.example"),
    "local, another install": locally(iss=f"urn:uuid:{UUID(int=1)}"),
    "local, an org by name": locally(org="local"),
    "local, expired": locally(exp=AT - 1),
    "local, in the name of an issuer": lambda parties: locally(iss=parties.issuer.url)(parties),
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_token_that_is_not_good_is_refused(verifier: Verifier, parties: Parties, how: str) -> None:
    await refuse(verifier, FORGED[how](parties))


async def test_an_issuer_speaks_for_its_own_org_only(verifier: Verifier, issuer: Authority, other: Authority) -> None:
    for provider, org in ((issuer, "local"), (other, "other")):
        token = provider.token(ORIGIN, header={"alg": "RS256"}, org="forged", iss=provider.url)
        assert (await verifier.verify(token)).org == org


async def test_of_a_claim_that_is_there_twice_only_one_counts(verifier: Verifier, issuer: Authority) -> None:
    key = issuer.keys["ES256"]
    header = {"alg": "ES256", "typ": "at+jwt", "kid": key.thumbprint()}
    body = urlsafe_b64decode(issuer.token(ORIGIN).split(".")[1].encode()).decode()
    for first, last in ((issuer.url, "https://evil.example"), ("https://evil.example", issuer.url)):
        twice = body.replace(f'"iss": "{issuer.url}"', f'"iss": "{first}", "iss": "{last}"')
        token = encode(header, twice.encode(), key)
        if last == issuer.url:
            assert (await verifier.verify(token)).issuer == last
        else:
            await refuse(verifier, token)


async def test_no_forgery_asks_the_pointers_in_its_header(verifier: Verifier, parties: Parties) -> None:
    await verifier.verify(parties.other.token(ORIGIN, header={"alg": "RS256"}))
    fetches = parties.other.fetches
    for name in ("jku", "x5u"):
        await refuse(verifier, embedded(name)(parties))
    assert parties.other.fetches == fetches


async def test_the_keys_that_a_rotation_dropped_verify_nothing(data_dir: Path) -> None:
    keyring = Keyring(data_dir, now)
    verifier = Verifier(keyring, ORIGIN, [], now, LEEWAY)
    token = keyring.sign(local(keyring))
    keyring.rotate()
    epoch = verifier.epoch
    assert await verifier.verify(token)
    keyring.rotate(drop=True)
    assert verifier.epoch != epoch
    await refuse(verifier, token)


async def test_the_epoch_changes_with_an_issuers_keys(verifier: Verifier, issuer: Authority) -> None:
    await verifier.verify(issuer.token(ORIGIN))
    epoch = verifier.epoch
    await verifier.verify(issuer.token(ORIGIN))
    assert verifier.epoch == epoch


async def test_an_issuer_that_cannot_be_asked_is_unavailable(data_dir: Path, issuer: Authority) -> None:
    entry = trusted(issuer, jwks_url="http://127.0.0.1:1/jwks")
    verifier = Verifier(Keyring(data_dir, now), ORIGIN, [entry], now, LEEWAY)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(verifier.run)
        with pytest.raises(UnavailableError):
            await verifier.verify(issuer.token(ORIGIN))
        await refuse(verifier, issuer.token(ORIGIN, header={"typ": "JWT"}))
        tasks.cancel_scope.cancel()


SEGMENT: Final = st.one_of(
    st.binary(max_size=60).map(urlsafe_b64encode),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["alg", "typ", "kid", "iss", "crit"]), inner),
    ).map(lambda value: urlsafe_b64encode(json.dumps(value).encode())),
)
HEADER: Final = st.dictionaries(
    st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "b64"]),
    st.sampled_from(["ES256", "RS256", "EdDSA", "none", "HS256", "at+jwt", "JWT", "x", 1, None, [], {}]),
)


@given(
    st.one_of(
        st.text(st.characters(), max_size=200),
        st.lists(SEGMENT.map(bytes.decode), max_size=4).map(".".join),
        st.builds(lambda header, said: encode(header, said, None) + "AAAA", HEADER, st.binary(max_size=50)),
    )
)
def test_whatever_comes_is_refused_and_nothing_else(alone: Verifier, token: str) -> None:
    anyio.run(partial(refuse, alone, token))


@given(st.data())
def test_a_good_token_is_not_good_with_any_other_letter(alone: Verifier, good: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(good) - 1))
    letter = data.draw(st.characters().filter(lambda each: each != good[place]))
    anyio.run(partial(refuse, alone, good[:place] + letter + good[place + 1 :]))
