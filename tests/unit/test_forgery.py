"""Whatever is sent as a proof is refused in one of the stated ways, and nothing else comes out."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.util import urlsafe_b64encode

from codingbrain.access.credential import Credential, Scheme
from codingbrain.access.dpop import ALGORITHMS, Proofs
from codingbrain.access.nonce import Nonces
from codingbrain.access.replay import Replays
from codingbrain.clock import DAY, SECOND, Micros
from codingbrain.errors import InvalidProofError, UnauthenticatedError
from tests.authority import made
from tests.proof import Prover, hashed

pytestmark = pytest.mark.anyio

NOW: Micros = 20_000 * DAY
ORIGIN = "https://memory.example"
TOKEN = "a.bound.token"
PROVERS = {name: Prover(made(name), name) for name in ALGORITHMS}
EC = PROVERS["ES256"]


def clock() -> Micros:
    return NOW


SERVER = Proofs(ORIGIN, Replays(), Nonces(clock), clock)


def good(prover: Prover) -> str:
    return prover.proof("POST", f"{ORIGIN}/mcp", TOKEN, SERVER.nonce(), iat=NOW // SECOND)


async def refused(proof: str | None, jkt: str = EC.jkt, token: str = TOKEN) -> None:
    """By one of the stated errors; `NonceRequiredError` is one of them."""
    with pytest.raises(UnauthenticatedError) as refusal:
        await SERVER.check(Credential(Scheme.DPOP, token, proof, "POST", "/mcp"), jkt)
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


@given(st.text() | st.text("abcdefAB01-_.=,", max_size=200), st.text(max_size=50))
async def test_any_text(proof: str, token: str) -> None:
    await refused(proof, token=token)


@pytest.mark.parametrize("prover", PROVERS.values(), ids=PROVERS.keys())
async def test_a_good_proof_with_any_change_in_one_place(prover: Prover) -> None:
    """Every place once: no signature has a second spelling that passes."""
    proof = good(prover)
    for place in range(0, len(proof), 3):
        for other in ("A", "."):
            if proof[place] != other:
                await refused(proof[:place] + other + proof[place + 1 :], prover.jkt)
        await refused(proof[:place] + proof[place + 1 :], prover.jkt)
        await refused(proof[:place], prover.jkt)
    await SERVER.check(Credential(Scheme.DPOP, TOKEN, proof, "POST", "/mcp"), prover.jkt)


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NESTED = st.recursive(ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
KEYS = ("kty", "crv", "x", "y", "n", "e", "d", "k", "use", "alg", "key_ops", "kid", "x5c", "x5u")
VALUES = NESTED | st.sampled_from(["EC", "OKP", "RSA", "oct", "P-256", "Ed25519", "AQAB", "AA", "A" * 43, "_" * 342])


@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.sampled_from([*ALGORITHMS, "none", "HS256"]))
@example({"kty": "RSA", "n": "_" * 341 + "w", "e": "AQAA"}, "RS256")  # even exponent
@example({"kty": "RSA", "n": "_" * 341 + "g", "e": "AQAB"}, "RS256")  # even modulus
@example({"kty": "RSA", "n": "_" * 341 + "w", "e": "_" * 11}, "RS256")
@example({"kty": "RSA", "n": "A" * 341 + "Q", "e": "Aw"}, "RS256")
@example({"kty": "OKP", "crv": "Ed25519", "x": "_" * 42 + "8"}, "EdDSA")
@example({"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}, "Ed25519")
@example({"kty": "EC", "crv": "P-256", "x": "_" * 42 + "8", "y": "_" * 42 + "8"}, "ES256")
async def test_any_key(jwk: dict[str, Any], algorithm: str) -> None:
    proof = EC.proof("POST", f"{ORIGIN}/mcp", TOKEN, SERVER.nonce(), {"jwk": jwk, "alg": algorithm})
    await refused(proof)
    await refused(proof, thumbprint(jwk))


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638, section 3, of what may be no key at all: then the token is bound to it all the same."""
    members = {name: jwk[name] for name in sorted(jwk) if name in {"kty", "crv", "x", "y", "n", "e"}}
    text = json.dumps(members, separators=(",", ":"))
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()


@given(st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "crit", "b64", "kid", "x5c", "zip"]), NESTED))
async def test_any_header(header: dict[str, Any]) -> None:
    await refused(EC.signed(header, b"{}"))
    said = {"typ": "dpop+jwt", "alg": "ES256", "jwk": EC.key.as_dict(private=False), **header}
    await refused(EC.signed(said, b"{}"))


GOOD: dict[str, object] = {
    "jti": "x",
    "htm": "POST",
    "htu": f"{ORIGIN}/mcp",
    "iat": NOW // SECOND,
    "ath": hashed(TOKEN),
}


@given(st.dictionaries(st.sampled_from([*GOOD, "nonce", "exp"]), NESTED))
async def test_any_claims(claims: dict[str, Any]) -> None:
    """None of them holds our nonce."""
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": EC.key.as_dict(private=False)}
    await refused(EC.signed(header, json.dumps({**GOOD, **claims}).encode()))


@given(st.binary(max_size=200))
async def test_any_payload(payload: bytes) -> None:
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": EC.key.as_dict(private=False)}
    await refused(EC.signed(header, payload))


async def test_only_the_stated_errors_are_told_apart() -> None:
    """Of a token that is not bound to the proof's key nothing is said about the rest of the proof."""
    proof = good(PROVERS["Ed25519"])
    with pytest.raises(UnauthenticatedError) as refusal:
        await SERVER.check(Credential(Scheme.DPOP, TOKEN, proof, "POST", "/mcp"), EC.jkt)
    assert not isinstance(refusal.value, InvalidProofError)
