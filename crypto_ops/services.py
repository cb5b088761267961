"""The operations that protect nothing: random bytes, and what a ciphertext says of itself."""

import secrets

from django.db import transaction

from accounts.principals import Principal
from audit.events import Event
from audit.services import record
from ciphercanary.clock import process_now
from ciphercanary.crypto.envelope import Envelope
from ciphercanary.errors import NotFound
from crypto_ops import actions
from crypto_ops.requests import Inspection
from keys import keyring, lifecycle
from keys.lifecycle import VersionState


@transaction.atomic
def generate_random(*, principal: Principal, size: int) -> bytes:
    """``size`` bytes from the operating system's generator, on record before they are answered."""
    principal.require("crypto.random")
    record(Event(action=actions.RANDOM_GENERATED, size=size), principal.actor)
    return secrets.token_bytes(size)


def inspect(*, principal: Principal, envelope: Envelope) -> Inspection:
    """What the ciphertext names, as far as the caller may see it. Nothing is decrypted. Raises NotFound."""
    principal.require("crypto.inspect")
    keyring.refresh_if_stale()
    entry = keyring.find(envelope.key_id, principal)
    version = entry.versions.get(envelope.version)
    if version is None:
        raise NotFound
    at = entry.standing(process_now())
    usable = lifecycle.may_process(at.state) and version.state is VersionState.ENABLED
    return Inspection(
        key_id=entry.key_id,
        key_version=version.number,
        algorithm=envelope.mode.name,
        state=at.state,
        status=at.status,
        version_state=version.state.value,
        may_decrypt=usable and principal.has_permission("crypto.decrypt"),
    )
