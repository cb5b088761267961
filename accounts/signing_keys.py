"""The keys that sign access tokens: RSA-3072, published before use, replaced without a gap.

``next`` stands in the JWKS so that verifiers know it before the first token; ``active`` signs; ``retired``
verifies until the last token it signed has expired. Opened keys are remembered by the security epoch under
which they were read, so a rotation reaches every process with its next request.
"""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)
from django.db import IntegrityError, transaction
from jwt.algorithms import RSAAlgorithm
from rest_framework_simplejwt.settings import api_settings

from accounts import actions
from accounts.errors import SigningKeyTooNew
from accounts.models import SigningKey
from audit.epoch import raise_epoch, read_epoch
from audit.events import Actor, Event, Source
from audit.services import record
from ciphercanary import kek, system_keys
from ciphercanary.clock import database_now
from ciphercanary.crypto.material import KeyMaterial

RSA_BITS = 3072  # NIST SP 800-57 part 1: 128 bits of strength
JWKS_MAX_AGE = timedelta(minutes=5)
PUBLISHED_BEFORE_USE = 2 * JWKS_MAX_AGE

_STATE = SigningKey.State
_creating = threading.Lock()


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, and until when it is believed; None: as long as it is there."""

    public_key: RSAPublicKey
    trusted_until: datetime | None

    def is_trusted(self, now: datetime) -> bool:
        return self.trusted_until is None or now < self.trusted_until


@dataclass(frozen=True, slots=True)
class KeySet:
    """The signing keys as of one security epoch."""

    active_kid: str
    verification_keys: Mapping[str, VerificationKey]


def establish() -> None:
    """Make the first active and the first next key, where they are missing."""
    with _creating:
        present = set(SigningKey.objects.values_list("state", flat=True))
        for state in (_STATE.ACTIVE, _STATE.NEXT):
            if state not in present:
                _create(state)


def key_set() -> KeySet:
    """The present keys; the first call of an installation makes them. Raises IntegrityFailed."""
    keys = _load(read_epoch())
    if not keys.active_kid:
        establish()
        keys = _load(read_epoch())
    return keys


def signer(kid: str) -> RSAPrivateKey:
    """The private half of an active key. Raises UnwrapFailed, KekUnavailable, SigningKey.DoesNotExist."""
    return _open(kid)


def jwks(now: datetime) -> dict[str, list[dict[str, object]]]:
    """The public keys as a JWK set (RFC 7517 section 5), the coming one included."""
    keys = key_set().verification_keys.items()
    return {"keys": [_jwk(kid, key.public_key) for kid, key in keys if key.is_trusted(now)]}


def rotate_signing_key(*, actor: Actor, is_emergency: bool = False) -> SigningKey:
    """Let the published next key sign, retire the active one, publish a new next key; the new active key.

    In an emergency nothing is waited for and the old key is believed no longer: every access token it signed
    ends now. Raises SigningKeyTooNew where verifiers may not have seen the next key yet.
    """
    establish()
    fresh = _generate(_STATE.NEXT)  # outside the transaction: it takes a good part of a second
    with transaction.atomic():
        now = database_now()
        rows = SigningKey.objects.select_for_update().exclude(state=_STATE.RETIRED).order_by("state")
        active, upcoming = (row.check_mac() for row in rows)
        if not is_emergency and now < upcoming.created_at + PUBLISHED_BEFORE_USE:
            raise SigningKeyTooNew(
                "The next key was published less than "
                f"{PUBLISHED_BEFORE_USE.total_seconds() / 60:.0f} minutes ago and verifiers may not know it yet: "
                "wait, or rotate as an emergency."
            )
        _retire(active, now if is_emergency else now + _token_life())
        upcoming.state, upcoming.activated_at = _STATE.ACTIVE, now
        upcoming.save_with_mac()
        fresh.save_with_mac()
        meta = {"retired": active.kid, "next": fresh.kid, "emergency": is_emergency}
        record(
            Event(
                action=actions.SIGNING_KEY_ROTATED,
                object_type="signing_key",
                object_id=upcoming.kid,
                meta=meta,
            ),
            actor,
        )
        raise_epoch()
    _open.cache_clear()
    return upcoming


def forget() -> None:
    """Drop what this process remembers: the next use reads it anew."""
    _load.cache_clear()
    _open.cache_clear()


@lru_cache(maxsize=2)
def _load(epoch: int) -> KeySet:  # noqa: ARG001 - the epoch is the cache's key: another one means other rows
    believed = SigningKey.objects.exclude(trusted_until__lt=database_now()).order_by("created_at")
    rows = [row.check_mac() for row in believed]
    return KeySet(
        active_kid=next((row.kid for row in rows if row.state == _STATE.ACTIVE), ""),
        verification_keys={
            row.kid: VerificationKey(_public_key(bytes(row.public_key)), row.trusted_until) for row in rows
        },
    )


@lru_cache(maxsize=8)
def _public_key(der: bytes) -> RSAPublicKey:
    return cast("RSAPublicKey", load_der_public_key(der))


@lru_cache(maxsize=2)
def _open(kid: str) -> RSAPrivateKey:
    row = SigningKey.objects.get(kid=kid).check_mac()
    wrapped = kek.Wrapped(row.kek_id, bytes(row.wrapped))
    der = kek.unwrap(wrapped, label=system_keys.LABEL, parts=_parts(kid)).expose()
    # The wrapping authenticated the key: checking its primes again would only cost a tenth of a second.
    return cast("RSAPrivateKey", load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True))


def _create(state: SigningKey.State) -> None:
    key = _generate(state)
    try:
        with transaction.atomic():
            key.save_with_mac()
            actor = Actor.system("signing-keys", Source.SCHEDULER)
            record(
                Event(action=actions.SIGNING_KEY_PUBLISHED, object_type="signing_key", object_id=key.kid),
                actor,
            )
            raise_epoch()
    except IntegrityError:
        # Another process was faster; the constraint lets one key of each state stand, and it serves as well.
        return


def _generate(state: SigningKey.State) -> SigningKey:
    private_key = generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    kid = secrets.token_hex(8)
    pkcs8 = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    wrapped = kek.wrap(KeyMaterial(pkcs8), label=system_keys.LABEL, parts=_parts(kid))
    now = database_now()
    return SigningKey(
        kid=kid,
        state=state,
        public_key=private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        kek_id=wrapped.kek_id,
        wrapped=wrapped.wrapped,
        created_at=now,
        activated_at=now if state == _STATE.ACTIVE else None,
    )


def _retire(key: SigningKey, trusted_until: datetime) -> None:
    key.state, key.trusted_until, key.wrapped = _STATE.RETIRED, trusted_until, b""
    key.save_with_mac()


def _token_life() -> timedelta:
    return timedelta(seconds=api_settings.LEEWAY) + cast("timedelta", api_settings.ACCESS_TOKEN_LIFETIME)


def _parts(kid: str) -> list[bytes]:
    return [b"token-signing", kid.encode()]


def _jwk(kid: str, public_key: RSAPublicKey) -> dict[str, object]:
    return {
        **RSAAlgorithm.to_jwk(public_key, as_dict=True),
        "kid": kid,
        "use": "sig",
        "alg": "RS256",
        "key_ops": ["verify"],
    }
