"""Inspection of ciphertexts."""

from accounts.authorization import authorize
from accounts.principals import Principal
from crypto_ops.requests import Inspection
from kernel.clock import process_now
from kernel.crypto.envelope import Envelope
from kernel.errors import NotFound
from keys import lifecycle
from keys.ring import keyring


def inspect(*, principal: Principal, envelope: Envelope) -> Inspection:
    """The header of the ciphertext and the state of its key, if visible to the caller. Raises NotFound."""
    principal.require("crypto.inspect")
    entry = keyring.find_current(envelope.key_id, principal)
    version = entry.versions.get(envelope.version)
    if version is None:
        raise NotFound
    now = process_now()
    at = entry.lifecycle_state(now)
    may_decrypt = authorize(
        principal, "crypto.decrypt", entry, now=now, client_ip=principal.actor.client_ip
    ).is_allowed
    usable = (
        envelope.mode.name in entry.modes
        and lifecycle.may_process(at.state)
        and entry.may_process(version.number, now)
    )
    return Inspection(
        key_id=entry.key_id,
        key_version=version.number,
        algorithm=envelope.mode.name,
        state=at.state,
        status=at.status,
        version_state=version.state,
        may_decrypt=usable and may_decrypt,
    )
