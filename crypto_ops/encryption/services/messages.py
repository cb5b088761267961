"""Encrypt, decrypt and inspect messages, for every interface. No HTTP; no query for a cached key.

Each operation is *decided* in memory (may this principal do this with that key now, and what is the result). Then the
decision is *committed*: ``audit.commit.writer`` writes its audit event in a transaction that checks that nothing has
changed since. Only then is the result returned. A stale decision is repeated with fresh rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from accounts.authorization import authorize
from audit.commit.decisions import Decision, Ready
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit, Use
from crypto_ops.deciding.services import KeyRequest, decision_of, find_key, key_event, permit_of
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto.errors import DecryptionFailed
from kernel.crypto.modes import SealingMode
from kernel.crypto.sealing.aead import Sealed
from kernel.crypto.sealing.envelope import Envelope
from kernel.errors import Invalid, NotFound
from keys import lifecycle
from keys.lifecycle import VersionState
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedKey, CachedVersion

type _EncryptionUse = tuple[str, KeyReference | None, SealingMode, int | None]

MAX_TRIALS: Final = 16
_MAX_TRIAL_BYTES: Final = 64 * 1024


class EncryptRequest(KeyRequest[Envelope], frozen=True, kw_only=True):
    """``key_id``: None for the caller's default key. ``key_version``: for deterministic modes only."""

    mode: SealingMode
    plaintext: bytes
    key_id: KeyReference | None = None
    key_version: int | None = None
    aad: bytes = b""

    def decide(self, context: DecisionContext) -> Decision[Envelope]:
        """The message is sealed when the decision is finished."""
        use = (actions.MESSAGE_ENCRYPTED, self.key_id, self.mode, self.key_version)
        permit = context.recall(use) or encrypting_permit(use, context)
        if self.mode.is_public_key:
            permit.primitive.check(self.plaintext, self.aad)
        context.reserve(permit.version, self.mode)
        return _Sealing(permit.grounds, len(self.plaintext), context.request_id, request=self, permit=permit)


class _Sealing(Decision[Envelope], frozen=True, kw_only=True):
    request: EncryptRequest
    permit: Permit[Any]

    def finish(self) -> Envelope:
        request, permit = self.request, self.permit
        entry, version = permit.entry, permit.version
        sealed = permit.primitive.seal(
            request.plaintext, key_id=entry.key_id, version=version.number, aad=request.aad
        )
        return Envelope(request.mode, entry.key_id, version.number, sealed)


class Decrypted(Unprinted, frozen=True, kw_only=True):
    plaintext: bytes
    mode: SealingMode
    key_id: UUID
    key_version: int


class DecryptRequest(KeyRequest[Decrypted], frozen=True, kw_only=True):
    """``key_version``: None to try the versions that may still process, newest first."""

    mode: SealingMode
    key_id: KeyReference
    sealed: Sealed
    key_version: int | None = None
    aad: bytes = b""

    @classmethod
    def of_envelope(cls, envelope: Envelope, aad: bytes) -> "DecryptRequest":
        return cls(
            mode=envelope.mode,
            key_id=envelope.key_id,
            key_version=envelope.version,
            sealed=envelope.sealed,
            aad=aad,
        )

    def decide(self, context: DecisionContext) -> Decision[Decrypted]:
        """The message is open already, because an altered one is a refusal."""
        if self.mode.opens_slowly:
            context.admit_slow()
        if self.key_version is None:
            return self._decide_trial(context)
        use = (actions.MESSAGE_DECRYPTED, self.key_id, self.mode, self.key_version)
        permit = context.recall(use) or self._permit(use, context)
        key_id, number = permit.entry.key_id, permit.version.number
        plaintext = permit.primitive.open(self.sealed, key_id=key_id, version=number, aad=self.aad)
        result = Decrypted(plaintext=plaintext, mode=self.mode, key_id=key_id, key_version=number)
        return Ready(permit.grounds, len(plaintext), context.request_id, result=result)

    def _permit(self, use: Use[SealingMode], context: DecisionContext) -> Permit[Any]:
        entry = find_key(use, "crypto.decrypt", context)
        [version] = candidates_of(self, entry, context)
        opener = context.primitive(version, primitives.opener_of(self.mode), self.mode)
        return permit_of(use, entry, version, self.mode, opener, context)

    def _decide_trial(self, context: DecisionContext) -> Decision[Decrypted]:
        """Try the versions of the key, because the request names none."""
        context.principal.require("crypto.decrypt")
        entry = context.find(self.key_id, "crypto.decrypt")
        candidates = candidates_of(self, entry, context)
        charge_trials(candidates, context)
        version, plaintext = open_message(self, entry, candidates, context)
        result = Decrypted(
            plaintext=plaintext, mode=self.mode, key_id=entry.key_id, key_version=version.number
        )
        event = key_event(actions.MESSAGE_DECRYPTED, entry, version, algorithm=self.mode.name)
        return decision_of(result, event, context, size=len(plaintext))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The contents of a ciphertext's header, and whether the caller could decrypt it."""

    key_id: UUID
    key_version: int
    algorithm: str
    state: str
    status: str
    version_state: VersionState
    may_decrypt: bool


def encrypting_permit(use: _EncryptionUse, context: DecisionContext) -> Permit[Any]:
    """To seal with the primary version, or with the named one in deterministic modes. Raises refusals."""
    _, _, mode, number = use
    entry = find_key(use, "crypto.encrypt", context)
    now = process_now()
    version = entry.require_protect(now)
    entry.require_allowed(mode)
    if number not in {None, version.number}:
        # Equal plaintexts give equal ciphertexts only under one version, so a caller who searches by ciphertext names
        # the version.
        if not mode.deterministic:
            raise Invalid.of_field(
                "key_version", "Only deterministic modes accept a version. Omit this field."
            )
        version = context.require_process(entry, number, now)
    sealer = context.primitive(version, primitives.sealer_of(mode), mode)
    return permit_of(use, entry, version, mode, sealer, context, protects=True)


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
    if len(request.sealed.ciphertext) > _MAX_TRIAL_BYTES and len(entry.versions) > 1:
        raise Invalid.of_field(
            "key_version",
            f"This field is required above {_MAX_TRIAL_BYTES} bytes, because versions are not tried one by one.",
        )
    return entry.processing_versions(now, for_reencryption=for_reencryption)[:MAX_TRIALS]


def charge_trials(candidates: Sequence[CachedVersion], context: DecisionContext) -> None:
    """Each try after the first counts as a request."""
    if len(candidates) > 1:
        context.charge(len(candidates) - 1)


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


class InspectRequest(Unprinted, frozen=True, kw_only=True):
    envelope: Envelope

    def decide(self, context: DecisionContext) -> Decision[Inspection]:
        """The header of the ciphertext and the state of its key, if visible to the caller. Raises NotFound.

        It leaves an entry, because a person who found a ciphertext may inspect it first. It does not use the key.
        """
        envelope, principal = self.envelope, context.principal
        principal.require("crypto.inspect")
        entry = context.see(envelope.key_id)
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
        inspection = Inspection(
            key_id=entry.key_id,
            key_version=version.number,
            algorithm=envelope.mode.name,
            state=at.state,
            status=at.status,
            version_state=version.state,
            may_decrypt=usable and may_decrypt,
        )
        event = key_event(actions.MESSAGE_INSPECTED, entry, version, algorithm=envelope.mode.name)
        return decision_of(inspection, event, context)
