"""Re-encryption of one message. The plaintext stays internal."""

from dataclasses import dataclass, field
from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import decision_of, default_mode, key_event, perform
from crypto_ops.measurement import measured
from crypto_ops.reencryption.services.sources import Source
from crypto_ops.transit.services.operations import TransitRequest
from kernel.clock import process_now
from kernel.crypto.modes import SEALING_MODES, Mode, SealingMode
from kernel.crypto.sealing.envelope import Envelope
from kernel.errors import Invalid
from keys.lifecycle import State
from keys.ring import primitives
from keys.ring.cached_keys import CachedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Reencrypted:
    """``source_authenticated``: False for public-key encryption, with which anyone can have sealed the old ciphertext.
    ``source_compromised``: an attacker with the source key may have forged it.
    """

    envelope: Envelope = field(repr=False)
    source_key_version: int
    source_authenticated: bool
    source_compromised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReencryptRequest:
    """``target_key_id``: None for the same key. ``target_aad``: the additional data of the new ciphertext, None for
    that of the source. ``reason``: required if the source key is compromised.
    """

    source: Source = field(repr=False)
    target_key_id: UUID | None = None
    target_aad: bytes | None = field(default=None, repr=False)
    reason: str = ""

    def decide(self, context: DecisionContext) -> Decision[Reencrypted]:
        context.principal.require("crypto.reencrypt")
        now = process_now()
        source = context.find(self.source.key_id, "crypto.reencrypt")
        compromised = require_reason(source, self.reason)
        target = target_of(self.target_key_id, source, context)
        primary, aad = target.require_protect(now), self._aad
        version, plaintext = self.source.open(source, context)
        mode = mode_for(target, self.source.mode)
        sealer = context.primitive(primary, primitives.sealer_of(mode), mode)
        if mode.is_public_key:
            sealer.check(plaintext, aad, field="ciphertext")
        context.reserve(primary, mode)
        sealed = sealer.seal(plaintext, key_id=target.key_id, version=primary.number, aad=aad)
        envelope = Envelope(mode, target.key_id, primary.number, sealed)
        result = Reencrypted(
            envelope=envelope,
            source_key_version=version.number,
            source_authenticated=self.source.is_authentic(source),
            source_compromised=compromised,
        )
        event = key_event(
            actions.MESSAGE_REENCRYPTED,
            source,
            version,
            algorithm=mode.name,
            target_key_id=target.key_id,
            target_key_version=envelope.version,
            source_compromised=compromised,
            reason=self.reason,
        )
        return decision_of(result, event, context, size=len(plaintext), protects=target)

    @property
    def _aad(self) -> bytes:
        return self.source.aad if self.target_aad is None else self.target_aad


def reencrypt(request: ReencryptRequest, principal: Principal) -> Reencrypted:
    """Open a message and seal it under the primary version of the same or another key. The plaintext stays internal."""
    with measured(request.source.mode or Mode(TransitRequest.unknown_mode)):
        return perform(request, principal)


def mode_for(target: CachedKey, mode: Mode | None) -> SealingMode:
    """The mode of the message if the target may encrypt in it, otherwise its default. Raises UnsupportedAlgorithm."""
    if isinstance(mode, SealingMode) and mode.name in target.protecting_modes:
        return mode
    return default_mode(target, SEALING_MODES)


def require_reason(source: CachedKey, reason: str) -> bool:
    """Whether the source key of a re-encryption is compromised. Raises Invalid if so, without a reason."""
    compromised = source.lifecycle_state(process_now()).state is State.COMPROMISED
    if compromised and not reason:
        raise Invalid.of_field(
            "reason",
            "This field is required because the source key is compromised. Explain why the message can be trusted.",
        )
    return compromised


def target_of(target_key_id: UUID | None, source: CachedKey, context: DecisionContext) -> CachedKey:
    """The target key of a re-encryption, by default the source. Raises NotFound, Denied."""
    if target_key_id is None or target_key_id == source.key_id:
        return source
    # Require both permissions, so that a change of key gives the caller no access beyond their own.
    context.principal.require("crypto.decrypt")
    context.principal.require("crypto.encrypt")
    context.authorize(source, "crypto.decrypt")
    return context.find(target_key_id, "crypto.encrypt")
