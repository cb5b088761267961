"""Shared secrets by key encapsulation and key agreement, for every interface."""

from typing import ClassVar
from uuid import UUID

from audit.commit.decisions import Decision, Ready
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit, Use
from crypto_ops.deciding.services import (
    KeyRequest,
    default_mode,
    find_key,
    named_version,
    permit_of,
    protecting_permit,
)
from crypto_ops.requests import Unprinted
from kernel.crypto.asymmetric.agreement import Agreement
from kernel.crypto.asymmetric.kem import Decapsulator, Encapsulator
from kernel.crypto.modes import AGREEMENT_MODES, KEM_MODES, AgreementMode, KemMode, Mode
from keys.references import KeyReference
from keys.ring import primitives


class SharedSecret(Unprinted, frozen=True, kw_only=True):
    """``ciphertext``: of an encapsulated secret, for the owner of the key; else empty."""

    secret: bytes
    ciphertext: bytes = b""
    mode: Mode
    key_id: UUID
    key_version: int


class EncapsulateRequest(KeyRequest[SharedSecret], frozen=True, kw_only=True):
    unknown_mode: ClassVar = "kem"

    key_id: KeyReference

    def decide(self, context: DecisionContext) -> Decision[SharedSecret]:
        """The secret is made when the decision is finished."""
        use = (actions.ENCAPSULATED, self.key_id, None, None)
        permit = context.recall(use) or protecting_permit(
            use, "crypto.encapsulate", primitives.encapsulator, context, KEM_MODES
        )
        return _Encapsulation(permit.grounds, 0, context.request_id, permit=permit)


class _Encapsulation(Decision[SharedSecret], frozen=True, kw_only=True):
    permit: Permit[Encapsulator]

    def finish(self) -> SharedSecret:
        secret, ciphertext = self.permit.primitive.encapsulate()
        return _shared(self.permit, secret, ciphertext)


class DecapsulateRequest(KeyRequest[SharedSecret], frozen=True, kw_only=True):
    """``key_version`` is required: with a wrong version, decapsulation gives another secret and no error."""

    unknown_mode: ClassVar = "kem"

    key_id: KeyReference
    key_version: int
    ciphertext: bytes

    def decide(self, context: DecisionContext) -> Decision[SharedSecret]:
        """The secret is known already, and must not be released before the commit."""
        use = (actions.DECAPSULATED, self.key_id, None, self.key_version)
        permit = context.recall(use) or self._permit(use, context)
        shared = _shared(permit, permit.primitive.decapsulate(self.ciphertext))
        return Ready(permit.grounds, len(self.ciphertext), context.request_id, result=shared)

    def _permit(self, use: Use[KemMode], context: DecisionContext) -> Permit[Decapsulator]:
        entry = find_key(use, "crypto.decapsulate", context)
        mode = default_mode(entry, KEM_MODES)
        version = named_version(entry, self.key_version, context)
        decapsulator = context.primitive(version, primitives.decapsulator, mode)
        return permit_of(use, entry, version, mode, decapsulator, context)


class AgreeRequest(KeyRequest[SharedSecret], frozen=True, kw_only=True):
    """``public_key``: of the other party, a SubjectPublicKeyInfo. ``key_version``: None for the primary one."""

    unknown_mode: ClassVar = "agreement"

    key_id: KeyReference
    public_key: bytes
    key_version: int | None = None

    def decide(self, context: DecisionContext) -> Decision[SharedSecret]:
        """As ``DecapsulateRequest.decide``."""
        use = (actions.AGREED, self.key_id, None, self.key_version)
        permit = context.recall(use) or self._permit(use, context)
        shared = _shared(permit, permit.primitive.agree(self.public_key))
        return Ready(permit.grounds, len(self.public_key), context.request_id, result=shared)

    def _permit(self, use: Use[AgreementMode], context: DecisionContext) -> Permit[Agreement]:
        """For the primary version, to share a new secret, or for a named one, to get the secret of earlier data."""
        if self.key_version is None:
            return protecting_permit(use, "crypto.agree", primitives.agreement, context, AGREEMENT_MODES)
        entry = find_key(use, "crypto.agree", context)
        mode = default_mode(entry, AGREEMENT_MODES)
        version = named_version(entry, self.key_version, context)
        return permit_of(
            use, entry, version, mode, context.primitive(version, primitives.agreement, mode), context
        )


def _shared[P](permit: Permit[P], secret: bytes, ciphertext: bytes = b"") -> SharedSecret:
    return SharedSecret(
        secret=secret,
        ciphertext=ciphertext,
        mode=permit.mode,
        key_id=permit.entry.key_id,
        key_version=permit.version.number,
    )
