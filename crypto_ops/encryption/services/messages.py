"""Encrypt, decrypt and inspect messages, and random bytes, for every interface. No HTTP; no query for a cached key.

Each operation is *decided* in memory (may this principal do this with that key now, and what is the result). Then the
decision is *committed*: ``audit.commit.writer`` writes its audit event in a transaction that checks that nothing has
changed since. Only then is the result returned. A stale decision is repeated with fresh rows.
"""

import secrets
from functools import partial
from typing import Any, Final

from accounts.authorization import authorize
from accounts.principals import Principal
from audit.commit.decisions import Decision
from audit.log.events import Event
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import decide_use, decision_of, key_event, perform
from crypto_ops.measurement import measured
from crypto_ops.requests import Decrypted, DecryptRequest, EncryptRequest, Inspection
from kernel.clock import process_now
from kernel.crypto.envelope import Envelope
from kernel.crypto.errors import DecryptionFailed
from kernel.crypto.modes import SealingMode
from kernel.errors import Invalid, NotFound
from keys import lifecycle
from keys.ring import keyring, primitives
from keys.ring.cached_keys import CachedKey, CachedVersion

MAX_TRIALS: Final = 16
MAX_TRIAL_BYTES: Final = 64 * 1024


def encrypt(request: EncryptRequest, principal: Principal) -> Envelope:
    """Seal with the key's primary version. Raises refusals of the key, the principal or the audit log."""
    with measured(request.mode):
        return perform(principal, lambda context: decide_encryption(request, context))


def decrypt(request: DecryptRequest, principal: Principal) -> Decrypted:
    """Open a message. Wrong key, wrong additional data and altered ciphertext all raise DecryptionFailed."""
    with measured(request.mode):
        return perform(principal, lambda context: decide_decryption(request, context))


def generate_random(size: int, principal: Principal) -> bytes:
    """``size`` bytes from the operating system's generator."""
    return perform(principal, lambda context: _decide_random(size, context))


def _decide_random(size: int, context: DecisionContext) -> Decision[bytes]:
    context.principal.require("crypto.random")
    event = Event(action=actions.RANDOM_GENERATED)
    return decision_of(secrets.token_bytes(size), event, context, size=size)


def decide_encryption(request: EncryptRequest, context: DecisionContext) -> Decision[Envelope]:
    """The decision; the message is sealed when it is finished. Raises refusals."""
    use = (actions.MESSAGE_ENCRYPTED, request.key_id, request.mode, request.key_version)
    permit = context.recall(use) or decide_use(
        use,
        "crypto.encrypt",
        primitives.sealer_of(request.mode),
        lambda entry: protecting_version(entry, request.mode, request.key_version, context),
        context,
        protects=True,
    )
    if request.mode.is_public_key:
        permit.primitive.check(request.plaintext, request.aad)
    context.reserve(permit.version, request.mode)
    return Decision(
        partial(_seal, request, permit), permit.grounds, len(request.plaintext), context.request_id
    )


def protecting_version(
    entry: CachedKey, mode: SealingMode, number: int | None, context: DecisionContext
) -> CachedVersion:
    """The version to seal with: the primary one, or the named one in deterministic modes. Raises refusals."""
    now = process_now()
    primary = entry.require_protect(now)
    entry.require_allowed(mode)
    if number is None or number == primary.number:
        return primary
    # Equal plaintexts give equal ciphertexts only under one version, so a caller who searches by ciphertext names
    # the version.
    if not mode.deterministic:
        raise Invalid.of_field("key_version", "Only deterministic modes accept a version. Omit this field.")
    return context.require_process(entry, number, now)


def _seal(request: EncryptRequest, permit: Permit[Any]) -> Envelope:
    entry, version = permit.entry, permit.version
    sealed = permit.primitive.seal(
        request.plaintext, key_id=entry.key_id, version=version.number, aad=request.aad
    )
    return Envelope(request.mode, entry.key_id, version.number, sealed)


def decide_decryption(request: DecryptRequest, context: DecisionContext) -> Decision[Decrypted]:
    """The decision; the message is open already, because an altered one is a refusal. Raises refusals."""
    if request.mode.opens_slowly:
        context.admit_slow()
    if request.key_version is None:
        return _decide_trial(request, context)
    use = (actions.MESSAGE_DECRYPTED, request.key_id, request.mode, request.key_version)
    permit: Permit[Any] = context.recall(use) or decide_use(
        use,
        "crypto.decrypt",
        primitives.opener_of(request.mode),
        lambda entry: candidates_of(request, entry, context)[0],
        context,
    )
    key_id, number = permit.entry.key_id, permit.version.number
    plaintext = permit.primitive.open(request.sealed, key_id=key_id, version=number, aad=request.aad)
    result = Decrypted(plaintext=plaintext, mode=request.mode, key_id=key_id, key_version=number)
    return Decision(lambda: result, permit.grounds, len(plaintext), context.request_id)


def _decide_trial(request: DecryptRequest, context: DecisionContext) -> Decision[Decrypted]:
    """Try the versions of the key, because the request names none."""
    context.principal.require("crypto.decrypt")
    entry = context.find(request.key_id, "crypto.decrypt")
    candidates = candidates_of(request, entry, context)
    if len(candidates) > 1:
        context.charge(len(candidates) - 1)
    version, plaintext = open_message(request, entry, candidates, context)
    result = Decrypted(
        plaintext=plaintext, mode=request.mode, key_id=entry.key_id, key_version=version.number
    )
    event = key_event(actions.MESSAGE_DECRYPTED, entry, version, algorithm=request.mode.name)
    return decision_of(result, event, context, size=len(plaintext))


def candidates_of(
    request: DecryptRequest, entry: CachedKey, context: DecisionContext, *, for_reencryption: bool = False
) -> list[CachedVersion]:
    """The versions to try, newest first: the named one, or all that may process, within limits."""
    now = process_now()
    if request.key_version is not None:
        if request.key_version not in entry.versions:
            raise DecryptionFailed  # indistinguishable from an altered ciphertext
        number = request.key_version
        return [context.require_process(entry, number, now, for_reencryption=for_reencryption)]
    if len(request.sealed.ciphertext) > MAX_TRIAL_BYTES and len(entry.versions) > 1:
        raise Invalid.of_field(
            "key_version",
            f"This field is required above {MAX_TRIAL_BYTES} bytes, because versions are not tried one by one.",
        )
    return entry.processing_versions(now)[:MAX_TRIALS]


def open_message(
    request: DecryptRequest,
    entry: CachedKey,
    candidates: list[CachedVersion],
    context: DecisionContext,
    *,
    for_reencryption: bool = False,
) -> tuple[CachedVersion, bytes]:
    for version in candidates:
        opener = context.primitive(version, primitives.opener_of(request.mode), request.mode)
        try:
            plaintext: bytes = opener.open(
                request.sealed, key_id=entry.key_id, version=version.number, aad=request.aad
            )
        except DecryptionFailed:
            continue
        context.note_grace(entry, version, for_reencryption=for_reencryption)
        return version, plaintext
    raise DecryptionFailed


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
