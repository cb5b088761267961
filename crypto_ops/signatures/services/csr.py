"""Sign certificate signing requests, for every interface."""

from typing import ClassVar
from uuid import UUID

from audit.commit.decisions import Decision, Ready
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import KeyRequest, protecting_permit, with_facts
from crypto_ops.requests import Unprinted
from kernel.crypto.asymmetric.certificate_requests import RequestedNames
from kernel.crypto.modes import SIGNING_MODES, SigningMode
from keys.ring import primitives


class SignedCsr(Unprinted, frozen=True, kw_only=True):
    pem: str
    mode: SigningMode
    key_id: UUID
    key_version: int


class CsrRequest(KeyRequest[SignedCsr], frozen=True, kw_only=True):
    unknown_mode: ClassVar = "csr"

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
