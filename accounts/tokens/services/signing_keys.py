"""Create and rotate the keys that sign access tokens: RSA-3072, published before use, replaced without a gap."""

import secrets
from datetime import datetime, timedelta
from typing import cast

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.db import IntegrityError, transaction
from rest_framework_simplejwt.settings import api_settings

from accounts import actions
from accounts.errors import SigningKeyTooNew
from accounts.models import SigningKey
from accounts.principals import SIGNING_KEYS, Principal
from accounts.tokens import signing_keys
from accounts.tokens.signing_keys import JWKS_MAX_AGE
from audit.log.events import Actor, Event, Source
from audit.services.recording import record
from kernel.clock import database_now
from kernel.crypto.material import KeyMaterial
from kernel.freshness.epoch import raise_epoch
from kernel.trust import kek

_RSA_BITS = 3072  # NIST SP 800-57 part 1: 128 bits of strength
_PUBLISHED_BEFORE_USE = 2 * JWKS_MAX_AGE

_STATE = SigningKey.State


def bootstrap_signing_keys() -> None:
    """Create the first active key and the first next key if they are missing."""
    present = set(SigningKey.objects.values_list("state", flat=True))
    for state in (_STATE.ACTIVE, _STATE.NEXT):
        if state not in present:
            _create(state)


def rotate_signing_key(*, principal: Principal, is_emergency: bool = False) -> SigningKey:
    """Activate the published next key, retire the active key and publish a new next key. Returns the new active key.

    An emergency rotation does not wait and stops trusting the old key, which ends every access token it signed.
    Raises Denied, and SigningKeyTooNew if verifiers may not have seen the next key yet.
    """
    principal.require("users.manage")
    bootstrap_signing_keys()
    fresh, private_half = _generate(
        _STATE.NEXT
    )  # outside the transaction, because it takes a large part of a second
    with transaction.atomic():
        now = database_now()
        rows = SigningKey.objects.select_for_update().exclude(state=_STATE.RETIRED).order_by("state")
        active, upcoming = (row.check_mac() for row in rows)
        if not is_emergency and now < upcoming.created_at + _PUBLISHED_BEFORE_USE:
            raise SigningKeyTooNew(
                "The next key was published less than "
                f"{_PUBLISHED_BEFORE_USE.total_seconds() / 60:.0f} minutes ago, so verifiers may not have it yet. "
                "Wait, or use --emergency."
            )
        _retire(active, now if is_emergency else now + _token_life())
        upcoming.state, upcoming.activated_at = _STATE.ACTIVE, now
        upcoming.save_with_mac()
        kek.wrap_into(fresh, private_half)
        fresh.save_with_mac()
        meta = {"retired": active.kid, "next": fresh.kid, "emergency": is_emergency}
        record(_event(actions.SIGNING_KEY_ROTATED, upcoming, **meta), principal.actor)
        raise_epoch(SIGNING_KEYS)
    signing_keys.forget()
    return upcoming


def _create(state: SigningKey.State) -> None:
    key, private_half = _generate(state)
    try:
        with transaction.atomic():
            kek.wrap_into(key, private_half)
            key.save_with_mac()
            actor = Actor.system("signing-keys", Source.SCHEDULER)
            record(_event(actions.SIGNING_KEY_PUBLISHED, key), actor)
            raise_epoch(SIGNING_KEYS)
    except IntegrityError:
        # Another process created the key first. The constraint allows one key per state, and either key will do.
        return


def _generate(state: SigningKey.State) -> tuple[SigningKey, KeyMaterial]:
    """A new key, and its private half, which is not wrapped yet."""
    private_key = generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    pkcs8 = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    now = database_now()
    key = SigningKey(
        kid=secrets.token_hex(8),
        state=state,
        public_key=private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        created_at=now,
        activated_at=now if state == _STATE.ACTIVE else None,
    )
    return key, KeyMaterial(pkcs8)


def _retire(key: SigningKey, trusted_until: datetime) -> None:
    key.state, key.trusted_until, key.wrapped = _STATE.RETIRED, trusted_until, b""
    key.save_with_mac()


def _token_life() -> timedelta:
    return timedelta(seconds=api_settings.LEEWAY) + cast("timedelta", api_settings.ACCESS_TOKEN_LIFETIME)


def _event(action: str, key: SigningKey, **meta: object) -> Event:
    return Event(action=action, object_type="signing_key", object_id=key.kid, meta=meta)
