"""Compute and verify MACs, for every interface."""

from typing import ClassVar
from uuid import UUID

from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import KeyRequest, protecting_permit
from crypto_ops.requests import Unprinted
from crypto_ops.signatures.services.verification import VerificationRequest
from kernel.crypto.errors import MacMismatch
from kernel.crypto.mac import Mac
from kernel.crypto.modes import MAC_MODES, MacMode
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedVersion


class ComputedMac(Unprinted, frozen=True, kw_only=True):
    mac: bytes
    mode: MacMode
    key_id: UUID
    key_version: int


class MacRequest(KeyRequest[ComputedMac], frozen=True, kw_only=True):
    unknown_mode: ClassVar = "hmac"

    key_id: KeyReference
    message: bytes

    def decide(self, context: DecisionContext) -> Decision[ComputedMac]:
        """The MAC is computed when the decision is finished."""
        use = (actions.MAC_COMPUTED, self.key_id, None, None)
        permit = context.recall(use) or protecting_permit(
            use, "crypto.mac", primitives.mac, context, MAC_MODES
        )
        return _Computing(permit.grounds, len(self.message), context.request_id, request=self, permit=permit)


class _Computing(Decision[ComputedMac], frozen=True, kw_only=True):
    request: MacRequest
    permit: Permit[Mac]

    def finish(self) -> ComputedMac:
        permit = self.permit
        return ComputedMac(
            mac=permit.primitive.compute(self.request.message),
            mode=permit.mode,
            key_id=permit.entry.key_id,
            key_version=permit.version.number,
        )


class VerifyMacRequest(VerificationRequest[MacMode], frozen=True, kw_only=True):
    mac: bytes

    unknown_mode: ClassVar = "hmac"
    action: ClassVar = actions.MAC_VERIFIED
    modes: ClassVar = MAC_MODES

    def is_valid(self, version: CachedVersion, mode: MacMode, context: DecisionContext) -> bool:
        return is_mac_of(context.primitive(version, primitives.mac, mode), self.message, self.mac)


def is_mac_of(mac: Mac, message: bytes, expected: bytes) -> bool:
    try:
        mac.verify(message, expected)
    except MacMismatch:
        return False
    return True
