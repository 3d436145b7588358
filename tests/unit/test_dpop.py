"""A proof passes once, with the key, request, token, time and nonce for which it was made, and with no other."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64encode

from codingbrain.access.credential import Credential, Scheme
from codingbrain.access.dpop import ALGORITHMS, MAX_PROOF, WINDOW, Proofs
from codingbrain.access.nonce import PERIOD, Nonces
from codingbrain.access.replay import Replays
from codingbrain.clock import DAY, SECOND, Micros
from codingbrain.errors import InvalidProofError, NonceRequiredError, UnauthenticatedError, UnavailableError
from tests.authority import OMIT, encode, made, rsa
from tests.proof import Prover, hashed

pytestmark = pytest.mark.anyio

NOW: Micros = 20_000 * DAY
SECONDS = NOW // SECOND
ORIGIN = "https://memory.example"
URL = f"{ORIGIN}/mcp"
TOKEN = "a.bound.token"
PROVER = Prover()
STRANGER = Prover()


class Server:
    """A server at a time that is set."""

    def __init__(self, origin: str = ORIGIN, now: Micros = NOW, most: int = 100) -> None:
        self.now = now
        self.proofs = Proofs(origin, Replays(most), Nonces(self.clock), self.clock)

    def clock(self) -> Micros:
        return self.now

    def proof(self, prover: Prover = PROVER, **changes: Any) -> str:  # noqa: ANN401 - whatever a test makes up
        said = {"iat": self.now // SECOND, "nonce": self.proofs.nonce(), **changes}
        return prover.proof("POST", URL, TOKEN, **said)

    async def check(self, proof: str | None, jkt: str = PROVER.jkt, **request: str) -> None:
        await self.proofs.check(replace(Credential(Scheme.DPOP, TOKEN, proof, "POST", "/mcp"), **request), jkt)


# --- what passes ---


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_good_proof_passes_once(algorithm: str) -> None:
    server, prover = Server(), Prover(made(algorithm), algorithm)
    proof = server.proof(prover)
    await server.check(proof, prover.jkt)
    with pytest.raises(InvalidProofError, match="used before"):
        await server.check(proof, prover.jkt)
    await server.check(server.proof(prover), prover.jkt)


async def test_a_large_rsa_key_fits() -> None:
    server, prover = Server(), Prover(RSAKey.generate_key(4_096), "RS256")
    await server.check(server.proof(prover), prover.jkt)


@pytest.mark.parametrize(
    "changes",
    [
        {"jti": "x"},
        {"jti": "é" * 128},
        {"jti": "\ud800"},
        {"iat": SECONDS + WINDOW // SECOND},
        {"iat": SECONDS - WINDOW // SECOND},
        {"iat": SECONDS + 0.5},
        {"htu": f"{URL}?query=1#fragment"},
        {"htu": "HTTPS://MEMORY.example:443/%6Dcp"},
        {"exp": 0, "unknown": {"claims": ["do", "not", "matter"]}},
        {"header": {"kid": "x", "x5c": ["y"], "jku": "https://evil.example"}},
        {"header": {"jwk": {**PROVER.key.as_dict(private=False), "use": "enc", "alg": 1, "key_ops": None}}},
    ],
)
async def test_what_makes_no_difference(changes: dict[str, Any]) -> None:
    server = Server()
    await server.check(server.proof(**changes))


async def test_the_same_identifier_of_two_keys_is_no_replay() -> None:
    server = Server()
    await server.check(server.proof(jti="1"))
    await server.check(server.proof(STRANGER, jti="1"), STRANGER.jkt)
    with pytest.raises(InvalidProofError, match="used before"):
        await server.check(server.proof(jti="1"))


async def test_identifiers_that_are_no_text_are_told_apart() -> None:
    server = Server()
    for jti in ("?", "\ud800", "\ud801"):
        await server.check(server.proof(jti=jti))


# --- what is refused ---


def jwk(prover: Prover = PROVER, **members: object) -> dict[str, Any]:
    key = {**prover.key.as_dict(private=False), **members}
    return {"header": {"jwk": {name: value for name, value in key.items() if value is not OMIT}}}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "typ of an access token": ({"header": {"typ": "at+jwt"}}, "typ"),
    "typ in capitals": ({"header": {"typ": "DPOP+JWT"}}, "typ"),
    "no typ": ({"header": {"typ": OMIT}}, "typ"),
    "something critical": ({"header": {"crit": ["exp"], "exp": 1}}, "typ"),
    "alg none": ({"header": {"alg": "none"}}, "alg"),
    "alg HS256": ({"header": {"alg": "HS256"}}, "alg"),
    "alg is none of the offered": ({"header": {"alg": "ES512"}}, "alg"),
    "alg is a list": ({"header": {"alg": ["ES256"]}}, "alg"),
    "no alg": ({"header": {"alg": OMIT}}, "alg"),
    "alg of another kind of key": ({"header": {"alg": "RS256"}}, "jwk"),
    "no jwk": ({"header": {"jwk": OMIT}}, "jwk"),
    "jwk is a string": ({"header": {"jwk": "x"}}, "jwk"),
    "jwk is a list": ({"header": {"jwk": [PROVER.key.as_dict(private=False)]}}, "jwk"),
    "private jwk": ({"header": {"jwk": PROVER.key.as_dict(private=True)}}, "private"),
    "symmetric jwk": ({"header": {"jwk": OctKey.generate_key(256).as_dict(private=True)}}, "private"),
    "symmetric jwk without its value": ({"header": {"jwk": {"kty": "oct"}}}, "jwk"),
    "prime of an RSA key": (jwk(p="AQAB"), "private"),
    "other curve": ({"header": {"jwk": ECKey.generate_key("P-384").as_dict(private=False)}}, "jwk"),
    "other curve of the same size": (jwk(crv="secp256k1"), "jwk"),
    "no curve": (jwk(crv=OMIT), "jwk"),
    "curve for key exchange": (
        {"header": {"alg": "EdDSA", "jwk": OKPKey.generate_key("X25519").as_dict(private=False)}},
        "jwk",
    ),
    "short RSA key": (
        {
            "header": {
                "alg": "RS256",
                "jwk": {"kty": "RSA", "e": "AQAB", "n": urlsafe_b64encode(b"\xff" * 128).decode()},
            }
        },
        "jwk",
    ),
    "long RSA key": (
        {
            "header": {
                "alg": "RS256",
                "jwk": {"kty": "RSA", "e": "AQAB", "n": urlsafe_b64encode(b"\xff" * 2048).decode()},
            }
        },
        "jwk",
    ),
    "RSA key with a long exponent": (
        {"header": {"alg": "RS256", "jwk": {**rsa().as_dict(private=False), "e": "AQEBAQEBAQEB"}}},
        "jwk",
    ),
    "RSA key with an exponent of 1": (
        {"header": {"alg": "RS256", "jwk": {**rsa().as_dict(private=False), "e": "AQ"}}},
        "jwk",
    ),
    "point off the curve": (jwk(x=STRANGER.key.as_dict(private=False)["x"]), "jwk"),
    "point at zero": (jwk(x="A" * 43, y="A" * 43), "jwk"),
    "coordinate is a number": (jwk(x=1), "jwk"),
    "coordinate is no base64url": (jwk(x="!" * 43), "jwk"),
    "coordinate with zeros before it": (jwk(x="AA" + str(PROVER.key.as_dict(private=False)["x"])), "jwk"),
    "no coordinate": (jwk(y=OMIT), "jwk"),
    "no htm": ({"htm": OMIT}, "htm"),
    "other method": ({"htm": "GET"}, "htm"),
    "method in small letters": ({"htm": "post"}, "htm"),
    "htm is a list": ({"htm": ["POST"]}, "htm"),
    "no htu": ({"htu": OMIT}, "htu"),
    "other path": ({"htu": f"{ORIGIN}/sse"}, "htu"),
    "other host": ({"htu": "https://other.example/mcp"}, "htu"),
    "htu is a number": ({"htu": 1}, "htu"),
    "no iat": ({"iat": OMIT}, "iat"),
    "iat too early": ({"iat": SECONDS - WINDOW // SECOND - 1}, "iat"),
    "iat too late": ({"iat": SECONDS + WINDOW // SECOND + 1}, "iat"),
    "iat is true": ({"iat": True}, "iat"),
    "iat is a string": ({"iat": str(SECONDS)}, "iat"),
    "iat is infinite": ({"iat": float("inf")}, "iat"),
    "iat is minus infinity": ({"iat": float("-inf")}, "iat"),
    "iat is no number": ({"iat": float("nan")}, "iat"),
    "iat is huge": ({"iat": 10**4_000}, "iat"),
    "iat is a huge fraction": ({"iat": 1e308}, "iat"),
    "no ath": ({"ath": OMIT}, "ath"),
    "ath of another token": ({"ath": hashed("another")}, "ath"),
    "ath with padding": ({"ath": f"{hashed(TOKEN)}="}, "ath"),
    "ath is null": ({"ath": None}, "ath"),
    "no jti": ({"jti": OMIT}, "jti"),
    "empty jti": ({"jti": ""}, "jti"),
    "long jti": ({"jti": "x" * 129}, "jti"),
    "jti is a number": ({"jti": 1}, "jti"),
    "huge proof": ({"padding": "x" * MAX_PROOF}, "long"),
}


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_proof_that_says_something_else_is_refused(changes: dict[str, Any], reason: str) -> None:
    server = Server()
    with pytest.raises(InvalidProofError, match=reason) as refused:
        await server.check(server.proof(**changes))
    assert type(refused.value) is InvalidProofError
    assert TOKEN not in refused.value.message


async def test_a_truth_value_is_no_time_not_even_right_after_the_epoch() -> None:
    server = Server(now=SECOND)
    with pytest.raises(InvalidProofError, match="iat"):
        await server.check(server.proof(iat=True))
    await server.check(server.proof(iat=1))


SHAPES: dict[str, Callable[[str], str | None]] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "garbage": lambda _: "garbage",
    "dots": lambda _: "..",
    "one segment less": lambda proof: proof.rpartition(".")[0],
    "one segment more": lambda proof: f"{proof}.x",
    "a segment in front": lambda proof: f"e30.{proof}",
    "two proofs": lambda proof: f"{proof}, {proof}",
    "two proofs, no blank": lambda proof: f"{proof},{proof}",
    "no signature": lambda proof: f"{proof.rpartition('.')[0]}.",
    "a changed signature": lambda proof: proof[:-8] + ("A" * 8 if proof[-8:] != "A" * 8 else "B" * 8),
    "a shorter signature": lambda proof: proof[:-4],
    "padded": lambda proof: f"{proof}==",
    "blanks": lambda proof: f" {proof}",
    "not ASCII": lambda proof: f"{proof}é",
    "a surrogate": lambda proof: f"{proof}\ud800",
    "a header that is no object": lambda proof: f"{segment([1])}.{proof.partition('.')[2]}",
    "a header that is no JSON": lambda proof: f"eyI.{proof.partition('.')[2]}",
    "a header in UTF-16": lambda proof: (
        f"{urlsafe_b64encode('{}'.encode('utf-16')).decode()}.{proof.partition('.')[2]}"
    ),
    "deep JSON": lambda proof: f"{urlsafe_b64encode(b'[' * 5_000).decode()}.{proof.partition('.')[2]}",
    "JSON, not compact": lambda proof: json.dumps(
        dict(zip(("protected", "payload", "signature"), proof.split("."), strict=True))
    ),
}


def segment(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_what_is_no_proof_is_refused(shape: Callable[[str], str | None]) -> None:
    server = Server()
    with pytest.raises(InvalidProofError) as refused:
        await server.check(shape(server.proof()))
    assert type(refused.value) is InvalidProofError


async def test_a_payload_that_is_no_object_is_refused_even_if_it_is_signed() -> None:
    server = Server()
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": PROVER.key.as_dict(private=False)}
    for payload in (b"[]", b"1", b"{", b"\xff", b"[" * 4_000):
        with pytest.raises(InvalidProofError):
            await server.check(PROVER.signed(header, payload))


async def test_the_key_in_the_proof_must_have_signed_it() -> None:
    server = Server()
    with pytest.raises(InvalidProofError, match="signature"):
        await server.check(server.proof(STRANGER, **jwk(PROVER)))


async def test_a_public_key_is_no_shared_secret() -> None:
    """The confusion of RSA and HMAC (RFC 8725, section 2.1) has nothing to hold on to."""
    server = Server()
    header = {"typ": "dpop+jwt", "alg": "HS256", "jwk": rsa().as_dict(private=False)}
    forged = encode(header, {"jti": "x"}, rsa().as_pem())
    with pytest.raises(InvalidProofError, match="alg"):
        await server.check(forged)


async def test_another_key_does_not_bear_the_token() -> None:
    server = Server()
    with pytest.raises(UnauthenticatedError) as refused:
        await server.check(server.proof(STRANGER))
    assert type(refused.value) is UnauthenticatedError


@pytest.mark.parametrize("request_", [{"method": "DELETE"}, {"path": "/sse"}, {"path": "/"}, {"token": "another"}])
async def test_a_good_proof_of_another_request_is_refused(request_: dict[str, str]) -> None:
    server = Server()
    proof = server.proof()
    with pytest.raises(InvalidProofError):
        await server.check(proof, **request_)
    await server.check(proof)


# --- nonces and replays ---


@pytest.mark.parametrize("nonce", [OMIT, None, "", "made up", 0, [], {}])
async def test_a_proof_without_the_nonce_is_asked_for_it(nonce: object) -> None:
    server = Server()
    with pytest.raises(NonceRequiredError):
        await server.check(server.proof(nonce=nonce))


async def test_the_former_nonce_counts_and_the_one_before_does_not() -> None:
    server = Server()
    first = server.proofs.nonce()
    server.now += PERIOD
    assert server.proofs.nonce() != first
    used = server.proof(nonce=first)
    await server.check(used)
    with pytest.raises(InvalidProofError, match="used before"):
        await server.check(used)
    server.now += PERIOD
    with pytest.raises(NonceRequiredError):
        await server.check(used)
    with pytest.raises(NonceRequiredError):
        await server.check(server.proof(nonce=first))


async def test_a_server_takes_no_proof_made_for_the_one_before_it() -> None:
    before, after = Server(), Server()
    proof = before.proof()
    await before.check(proof)
    with pytest.raises(NonceRequiredError):
        await after.check(proof)


async def test_of_the_same_proof_many_times_at_once_one_passes() -> None:
    server, passed, refused = Server(), list[int](), list[int]()
    proof = server.proof()

    async def send(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        try:
            await server.check(proof)
            passed.append(number)
        except InvalidProofError:
            refused.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(send, number)
    assert (len(passed), len(refused)) == (1, 19)


async def test_what_cannot_be_remembered_is_not_accepted() -> None:
    server = Server(most=1)
    await server.check(server.proof())
    with pytest.raises(UnavailableError):
        await server.check(server.proof())


async def test_only_good_proofs_are_remembered() -> None:
    server = Server(most=1)
    for changes, _ in REFUSED.values():
        with pytest.raises(InvalidProofError):
            await server.check(server.proof(**changes))
    with pytest.raises(NonceRequiredError):
        await server.check(server.proof(nonce=OMIT))
    await server.check(server.proof())
