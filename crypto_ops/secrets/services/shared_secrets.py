"""Shared secrets by key encapsulation and key agreement, for every interface."""

from functools import partial
from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import decide_use, named_version, perform_measured
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto.agreement import Agreement
from kernel.crypto.kem import Decapsulator, Encapsulator
from kernel.crypto.modes import AGREEMENT_MODES, KEM_MODES, Mode
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedKey, CachedVersion

# Of a request that is refused before its key, and thus its mode, is known.
_UNKNOWN_KEM, _UNKNOWN_AGREEMENT = Mode("kem"), Mode("agreement")


class EncapsulateRequest(Unprinted, frozen=True, kw_only=True):
    key_id: KeyReference


class DecapsulateRequest(Unprinted, frozen=True, kw_only=True):
    """``key_version`` is required: with a wrong version, decapsulation gives another secret and no error."""

    key_id: KeyReference
    key_version: int
    ciphertext: bytes


class AgreeRequest(Unprinted, frozen=True, kw_only=True):
    """``public_key``: of the other party, a SubjectPublicKeyInfo. ``key_version``: None for the primary one."""

    key_id: KeyReference
    public_key: bytes
    key_version: int | None = None


class SharedSecret(Unprinted, frozen=True, kw_only=True):
    """``ciphertext``: of an encapsulated secret, for the owner of the key; else empty."""

    secret: bytes
    ciphertext: bytes = b""
    mode: Mode
    key_id: UUID
    key_version: int


def encapsulate(request: EncapsulateRequest, principal: Principal) -> SharedSecret:
    """A new secret, encapsulated to the key's primary version. Raises refusals of the key, the principal or the log."""
    return perform_measured(_UNKNOWN_KEM, principal, lambda context: decide_encapsulation(request, context))


def decapsulate(request: DecapsulateRequest, principal: Principal) -> SharedSecret:
    """The encapsulated secret. Raises refusals of the key, the principal or the log."""
    return perform_measured(_UNKNOWN_KEM, principal, lambda context: decide_decapsulation(request, context))


def agree(request: AgreeRequest, principal: Principal) -> SharedSecret:
    """The secret shared with another party. Raises refusals of the key, the principal or the log."""
    return perform_measured(_UNKNOWN_AGREEMENT, principal, lambda context: decide_agreement(request, context))


def decide_encapsulation(request: EncapsulateRequest, context: DecisionContext) -> Decision[SharedSecret]:
    """The decision; the secret is made when it is finished. Raises refusals."""
    use = (actions.ENCAPSULATED, request.key_id, None, None)
    permit: Permit[Encapsulator] = context.recall(use) or decide_use(
        use,
        "crypto.encapsulate",
        primitives.encapsulator,
        lambda entry: entry.require_protect(process_now()),
        context,
        protects=True,
        modes=KEM_MODES,
    )

    def finish() -> SharedSecret:
        secret, ciphertext = permit.primitive.encapsulate()
        return _shared(permit, secret, ciphertext)

    return Decision(finish, permit.grounds, 0, context.request_id)


def decide_decapsulation(request: DecapsulateRequest, context: DecisionContext) -> Decision[SharedSecret]:
    """The decision with the secret, which must not be released before the commit. Raises refusals."""
    use = (actions.DECAPSULATED, request.key_id, None, request.key_version)
    permit: Permit[Decapsulator] = context.recall(use) or decide_use(
        use,
        "crypto.decapsulate",
        primitives.decapsulator,
        lambda entry: named_version(entry, request.key_version, context),
        context,
        modes=KEM_MODES,
    )
    shared = _shared(permit, permit.primitive.decapsulate(request.ciphertext))
    return Decision(lambda: shared, permit.grounds, len(request.ciphertext), context.request_id)


def decide_agreement(request: AgreeRequest, context: DecisionContext) -> Decision[SharedSecret]:
    """The decision with the secret, which must not be released before the commit. Raises refusals."""
    number = request.key_version
    use = (actions.AGREED, request.key_id, None, number)
    permit: Permit[Agreement] = context.recall(use) or decide_use(
        use,
        "crypto.agree",
        primitives.agreement,
        partial(_agreeing_version, number=number, context=context),
        context,
        protects=number is None,
        modes=AGREEMENT_MODES,
    )
    shared = _shared(permit, permit.primitive.agree(request.public_key))
    return Decision(lambda: shared, permit.grounds, len(request.public_key), context.request_id)


def _agreeing_version(entry: CachedKey, number: int | None, context: DecisionContext) -> CachedVersion:
    """The primary version to share a new secret, or a named one to get the secret of earlier data."""
    if number is None:
        return entry.require_protect(process_now())
    return named_version(entry, number, context)


def _shared[P](permit: Permit[P], secret: bytes, ciphertext: bytes = b"") -> SharedSecret:
    return SharedSecret(
        secret=secret,
        ciphertext=ciphertext,
        mode=permit.mode,
        key_id=permit.entry.key_id,
        key_version=permit.version.number,
    )
