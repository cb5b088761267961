"""Sign certificate signing requests, for every interface."""

from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import decide_use, perform_measured, with_facts
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto.certificate_requests import RequestedNames
from kernel.crypto.modes import SIGNING_MODES, Mode, SigningMode
from keys.ring import primitives

# Of a request that is refused before its key, and thus its mode, is known.
_UNKNOWN = Mode("csr")


class CsrRequest(Unprinted, frozen=True, kw_only=True):
    """``mode``: None for the key's default one."""

    key_id: UUID
    names: RequestedNames
    mode: SigningMode | None = None


class SignedCsr(Unprinted, frozen=True, kw_only=True):
    pem: str
    mode: SigningMode
    key_id: UUID
    key_version: int


def sign_csr(request: CsrRequest, principal: Principal) -> SignedCsr:
    """The request for a certificate of the key's primary version. Raises refusals of the key, the principal or the audit log."""
    return perform_measured(request.mode or _UNKNOWN, principal, lambda context: _decide(request, context))


def _decide(request: CsrRequest, context: DecisionContext) -> Decision[SignedCsr]:
    permit = decide_use(
        (actions.CSR_SIGNED, request.key_id, request.mode, None),
        "crypto.sign",
        primitives.csr_signer,
        lambda entry: entry.require_protect(process_now()),
        context,
        protects=True,
        modes=SIGNING_MODES,
    )
    signed = SignedCsr(
        pem=permit.primitive.sign(request.names),
        mode=permit.mode,
        key_id=permit.entry.key_id,
        key_version=permit.version.number,
    )
    grounds = with_facts(permit.grounds, subject=request.names.text)
    return Decision(lambda: signed, grounds, len(signed.pem), context.request_id)
