"""Sign certificate signing requests, for every interface."""

from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision, Ready
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import perform_measured, protecting_permit, with_facts
from crypto_ops.requests import Unprinted
from kernel.crypto.certificate_requests import RequestedNames
from kernel.crypto.modes import SIGNING_MODES, Mode, SigningMode
from keys.ring import primitives

# Of a request that is refused before its key, and thus its mode, is known.
_UNKNOWN = Mode("csr")


class SignedCsr(Unprinted, frozen=True, kw_only=True):
    pem: str
    mode: SigningMode
    key_id: UUID
    key_version: int


class CsrRequest(Unprinted, frozen=True, kw_only=True):
    """``mode``: None for the key's default one."""

    key_id: UUID
    names: RequestedNames
    mode: SigningMode | None = None

    def decide(self, context: DecisionContext) -> Decision[SignedCsr]:
        """It is signed already, and must not be released before the commit."""
        use = (actions.CSR_SIGNED, self.key_id, self.mode, None)
        permit = protecting_permit(use, "crypto.sign", primitives.csr_signer, context, SIGNING_MODES)
        signed = SignedCsr(
            pem=permit.primitive.sign(self.names),
            mode=permit.mode,
            key_id=permit.entry.key_id,
            key_version=permit.version.number,
        )
        grounds = with_facts(permit.grounds, subject=self.names.text)
        return Ready(grounds, len(signed.pem), context.request_id, result=signed)


def sign_csr(request: CsrRequest, principal: Principal) -> SignedCsr:
    """The request for a certificate of the key's primary version. Raises refusals of the key, the principal or the audit log."""
    return perform_measured(request, principal, request.mode or _UNKNOWN)
