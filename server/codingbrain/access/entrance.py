"""All that decides who gets in, put together for one server."""

from dataclasses import dataclass

from codingbrain.access.authenticator import Authenticator, Means
from codingbrain.access.dpop import Proofs
from codingbrain.access.jwks import Jwks
from codingbrain.access.jwt import Trusted, Verifier
from codingbrain.access.keyring import Keyring
from codingbrain.access.nonce import Nonces
from codingbrain.access.people import People
from codingbrain.access.registry import Registry
from codingbrain.access.replay import Replays
from codingbrain.access.tokens import Holder, Signer, Tokens
from codingbrain.clock import SECOND, Clock
from codingbrain.ids import Mint
from codingbrain.record.sqlite import SqliteRecord
from codingbrain.settings import Issuer, Settings


@dataclass(frozen=True, slots=True)
class Entrance:
    """What checks credentials, what issues them, and what they are about; `authenticator.run` must be kept running."""

    keyring: Keyring
    people: People
    authenticator: Authenticator
    tokens: Tokens
    registry: Registry


def entrance(  # noqa: PLR0913, PLR0917 - all that differs between two servers
    settings: Settings, record: SqliteRecord, owner: Holder, origin: str, clock: Clock, mint: Mint
) -> Entrance:
    """For the server that clients reach at `origin`; `owner` is whose tokens are if nobody says otherwise.

    Raises:
        StorageError: the signing keys cannot be used.
    """
    keyring = Keyring(settings.data_dir / "keys", clock, mint)
    trusted = [_trusted(issuer, settings, clock) for issuer in settings.issuers]
    verifier = Verifier(keyring, origin, trusted, clock, settings.token_leeway_seconds * SECOND)
    people = People(record, clock, mint, settings.issuers)
    proofs = None if settings.dpop == "off" else Proofs(origin, Replays(), Nonces(clock), clock)
    means = Means(verifier, people, proofs, settings.dpop == "required", settings.jwks_seconds * SECOND)
    authenticator = Authenticator(means, clock)
    tokens = Tokens(record, owner, Signer(keyring, origin, clock, mint), authenticator.forget)
    registry = Registry(record, clock, mint, settings.issuers, authenticator.forget)
    return Entrance(keyring, people, authenticator, tokens, registry)


def _trusted(issuer: Issuer, settings: Settings, clock: Clock) -> Trusted:
    ttl, stale = settings.jwks_seconds * SECOND, settings.jwks_stale_seconds * SECOND
    return Trusted(issuer, Jwks(issuer.jwks_url, clock, ttl, stale, issuer.algorithms))
