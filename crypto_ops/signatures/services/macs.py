"""Compute and verify MACs, for every interface."""

from functools import partial
from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import decide_use, perform_measured
from crypto_ops.requests import Unprinted
from crypto_ops.signatures.services import verification
from crypto_ops.signatures.services.verification import Verification
from kernel.clock import process_now
from kernel.crypto.errors import MacMismatch
from kernel.crypto.mac import Mac
from kernel.crypto.modes import MAC_MODES, MacMode, Mode
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedVersion

# Of a request that is refused before its key, and thus its mode, is known.
_UNKNOWN = Mode("hmac")


class MacRequest(Unprinted, frozen=True, kw_only=True):
    key_id: KeyReference
    message: bytes


class VerifyMacRequest(Unprinted, frozen=True, kw_only=True):
    """``key_version``: None to try the versions that may still process, newest first."""

    key_id: KeyReference
    message: bytes
    mac: bytes
    key_version: int | None = None


class ComputedMac(Unprinted, frozen=True, kw_only=True):
    mac: bytes
    mode: MacMode
    key_id: UUID
    key_version: int


def compute_mac(request: MacRequest, principal: Principal) -> ComputedMac:
    """The MAC by the key's primary version. Raises refusals of the key, the principal or the audit log."""
    return perform_measured(_UNKNOWN, principal, lambda context: decide_mac(request, context))


def verify_mac(request: VerifyMacRequest, principal: Principal) -> Verification:
    """Whether a MAC is valid. Raises refusals of the key, the principal or the audit log."""
    return perform_measured(_UNKNOWN, principal, lambda context: decide_mac_verification(request, context))


def decide_mac(request: MacRequest, context: DecisionContext) -> Decision[ComputedMac]:
    """The decision; the MAC is computed when it is finished. Raises refusals."""
    use = (actions.MAC_COMPUTED, request.key_id, None, None)
    permit = context.recall(use) or decide_use(
        use,
        "crypto.mac",
        primitives.mac,
        lambda entry: entry.require_protect(process_now()),
        context,
        protects=True,
        modes=MAC_MODES,
    )
    return Decision(
        partial(_compute, request, permit), permit.grounds, len(request.message), context.request_id
    )


def _compute(request: MacRequest, permit: Permit[Mac]) -> ComputedMac:
    return ComputedMac(
        mac=permit.primitive.compute(request.message),
        mode=permit.mode,
        key_id=permit.entry.key_id,
        key_version=permit.version.number,
    )


def decide_mac_verification(request: VerifyMacRequest, context: DecisionContext) -> Decision[Verification]:
    """As ``verification.decide_verification``."""

    def is_valid(version: CachedVersion, mode: MacMode) -> bool:
        try:
            context.primitive(version, primitives.mac, mode).verify(request.message, request.mac)
        except MacMismatch:
            return False
        return True

    return verification.decide_verification(
        context,
        action=actions.MAC_VERIFIED,
        key_id=request.key_id,
        key_version=request.key_version,
        mode=None,
        is_valid=is_valid,
        size=len(request.message),
        modes=MAC_MODES,
    )
