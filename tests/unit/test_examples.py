"""The examples of the RFCs about proofs: RFC 9449, RFC 7638 and RFC 8037."""

import json

import pytest
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64encode

from codingbrain.access.credential import Credential, Scheme
from codingbrain.access.dpop import Proofs
from codingbrain.access.nonce import Nonces
from codingbrain.access.replay import Replays
from codingbrain.clock import SECOND, Micros
from codingbrain.errors import InvalidProofError, NonceRequiredError, UnauthenticatedError
from tests.proof import Prover, hashed

pytestmark = pytest.mark.anyio

TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo"
    "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
REQUEST = (
    f"{HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu"
    "IiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
"""RFC 9449, section 4.1 and 5: at a token endpoint, so without a token."""

RESOURCE = (
    f"{HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90"
    "ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9."
    "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
"""RFC 9449, section 7.1: with a token at a resource."""


def proofs(origin: str, at: int) -> Proofs:
    def clock() -> Micros:
        return at * SECOND

    return Proofs(origin, Replays(), Nonces(clock), clock)


def credential(proof: str, method: str, path: str) -> Credential:
    return Credential(Scheme.DPOP, TOKEN, proof, method, path)


async def test_the_proof_at_a_resource_lacks_nothing_but_our_nonce() -> None:
    """The nonce is asked for only when everything else is right."""
    server = proofs("https://resource.example.org", 1562262618)
    with pytest.raises(NonceRequiredError):
        await server.check(credential(RESOURCE, "GET", "/protectedresource"), JKT)


async def test_it_is_of_its_time() -> None:
    server = proofs("https://resource.example.org", 1562262618 + 301)
    with pytest.raises(InvalidProofError, match="iat"):
        await server.check(credential(RESOURCE, "GET", "/protectedresource"), JKT)


async def test_the_proof_at_a_token_endpoint_lacks_the_hash_of_a_token() -> None:
    server = proofs("https://server.example.com", 1562262616)
    with pytest.raises(InvalidProofError, match="ath"):
        await server.check(credential(REQUEST, "POST", "/token"), JKT)


@pytest.mark.parametrize("proof", [REQUEST, RESOURCE])
async def test_neither_holds_once_it_is_changed(proof: str) -> None:
    server = proofs("https://resource.example.org", 1562262618)
    header, payload, signature = proof.split(".")
    other = f"{header}.{payload[:-2]}AA.{signature}"
    for changed in (other, f"{proof[:-4]}AAAA"):
        with pytest.raises(InvalidProofError, match="signature"):
            await server.check(credential(changed, "GET", "/protectedresource"), JKT)


def test_the_hash_of_the_token() -> None:
    assert hashed(TOKEN) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


MODULUS = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst"
    "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajr"
    "n1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
)
ED25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
PUBLIC = [
    (
        "RS256",
        {"kty": "RSA", "n": MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"},
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",  # RFC 7638, section 3.1
    ),
    ("EdDSA", ED25519, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),  # RFC 8037, appendix A.3
]


@pytest.mark.parametrize(("algorithm", "jwk", "thumbprint"), PUBLIC)
async def test_the_thumbprint_of_a_key(algorithm: str, jwk: dict[str, str], thumbprint: str) -> None:
    """Only the members that RFC 7638 names count; nobody here can sign with these keys."""
    server = proofs("https://resource.example.org", 1562262618)
    header = json.dumps({"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk}).encode()
    unsigned = f"{urlsafe_b64encode(header).decode()}.e30.AAAA"
    with pytest.raises(InvalidProofError, match="signature"):
        await server.check(credential(unsigned, "GET", "/"), thumbprint)
    with pytest.raises(UnauthenticatedError) as refused:
        await server.check(credential(unsigned, "GET", "/"), JKT)
    assert type(refused.value) is UnauthenticatedError


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
async def test_a_key_of_rfc_8037_signs_under_its_old_and_new_name(name: str) -> None:
    private = OKPKey.import_key({**ED25519, "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})
    prover, server = Prover(private, name), proofs("https://resource.example.org", 1562262618)
    url = "https://resource.example.org/"
    proof = prover.proof("GET", url, TOKEN, server.nonce(), iat=1562262618)
    await server.check(credential(proof, "GET", "/"), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
