"""The keys that sign access tokens. ``accounts.tokens.services.signing_keys`` creates them.

``next`` is published in the JWKS before it signs, so that verifiers have it in time; ``active`` signs;
``retired`` verifies until the last token it signed has expired. Unwrapped keys are cached by the epoch of their
last change, so a rotation reaches every process with its next request.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from jwt.algorithms import RSAAlgorithm

from accounts.models import SigningKey
from accounts.principals import SIGNING_KEYS
from kernel.clock import database_now
from kernel.freshness.epoch import read_stamp
from kernel.freshness.stamps import EpochStamp
from kernel.runtime import process_cache
from kernel.trust import kek
from kernel.trust.row_heads import current_rows, find_current
from kernel.trust.row_mac import IntegrityFailed

JWKS_MAX_AGE = timedelta(minutes=5)


_MAX_AGE: Final = 60  # seconds, as of stamps


@dataclass(frozen=True, slots=True)
class _VerificationKey:
    """A public key and the time until which it is trusted, or None if that time has no limit."""

    public_key: RSAPublicKey
    trusted_until: datetime | None

    def is_trusted(self, now: datetime) -> bool:
        return self.trusted_until is None or now < self.trusted_until


@dataclass(frozen=True, slots=True)
class KeySet:
    """An immutable snapshot of the signing keys."""

    active_kid: str
    verification_keys: Mapping[str, _VerificationKey]

    def is_trusted(self, kid: str, now: datetime) -> bool:
        """Whether tokens that the key signed are trusted at ``now``."""
        key = self.verification_keys.get(kid)
        return key is not None and key.is_trusted(now)


def key_set(stamp: EpochStamp | None = None) -> KeySet:
    """The current keys. ``stamp`` holds their epoch if the caller has just read it.

    Raises IntegrityFailed, also if the active key was removed.
    """
    epoch = (stamp or read_stamp(SIGNING_KEYS)).epochs[SIGNING_KEYS]
    return _load(epoch, int(time.monotonic() // _MAX_AGE))


def jwks(now: datetime) -> dict[str, list[dict[str, object]]]:
    """The public keys as a JWK set (RFC 7517 section 5), including the next key."""
    keys = key_set().verification_keys.items()
    return {"keys": [_jwk(kid, key.public_key) for kid, key in keys if key.is_trusted(now)]}


def forget() -> None:
    """Clear the caches of this process. The next use reads the keys again."""
    _load.cache_clear()
    signer.cache_clear()


@process_cache
@lru_cache(maxsize=2)
def _load(epoch: int, period: int) -> KeySet:  # noqa: ARG001 - cache keys: a new epoch means new rows
    believed = SigningKey.objects.exclude(trusted_until__lt=database_now()).order_by("created_at")
    rows = list(current_rows(believed))
    active_kid = next((row.kid for row in rows if row.state == SigningKey.State.ACTIVE), "")
    if not active_kid:
        raise IntegrityFailed(
            "The key that signs access tokens is missing. Restart the server, and find out who removed the key."
        )
    return KeySet(
        active_kid=active_kid,
        verification_keys={
            row.kid: _VerificationKey(_public_key(bytes(row.public_key)), row.trusted_until) for row in rows
        },
    )


@lru_cache(maxsize=8)
def _public_key(der: bytes) -> RSAPublicKey:
    return cast("RSAPublicKey", load_der_public_key(der))


@process_cache
@lru_cache(maxsize=2)
def signer(kid: str) -> RSAPrivateKey:
    """The private half of an active key. Raises UnwrapFailed, KekUnavailable, SigningKey.DoesNotExist."""
    row = find_current(SigningKey.objects.filter(kid=kid))
    if row is None:
        raise SigningKey.DoesNotExist
    der = kek.unwrap_row(row).expose()  # noqa: CC1 - an RSA private key becomes the object that signs
    # Unwrapping authenticates the key. Checking its primes again would cost a tenth of a second.
    return cast("RSAPrivateKey", load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True))


def _jwk(kid: str, public_key: RSAPublicKey) -> dict[str, object]:
    return {
        **RSAAlgorithm.to_jwk(public_key, as_dict=True),
        "kid": kid,
        "use": "sig",
        "alg": "RS256",
        "key_ops": ["verify"],
    }
