"""Derive keys from a key and a context, for every interface."""

from functools import partial
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import default_mode, grounds_of, key_event, named_version, perform
from crypto_ops.measurement import measured
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto.derivation import Deriver
from kernel.crypto.errors import UnsupportedAlgorithm
from kernel.crypto.modes import SEALING_MODES, Mode
from kernel.errors import Invalid
from keys import lifecycle
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedKey

MIN_BITS: Final = 128
MAX_BITS: Final = 4096
MAX_CONTEXT_BYTES: Final = 1024

HKDF: Final = Mode("hkdf-sha256")


class DerivationRequest(Unprinted, frozen=True, kw_only=True):
    """``size`` is in bytes. ``key_version``: None for the primary version."""

    key_id: KeyReference
    context: bytes
    size: int
    key_version: int | None = None


class DerivedKey(Unprinted, frozen=True, kw_only=True):
    derived: bytes
    mode: Mode
    key_id: UUID
    key_version: int


def size_of(bits: int) -> int:
    """The size in bytes. Raises Invalid."""
    if not MIN_BITS <= bits <= MAX_BITS or bits % 8:
        raise Invalid.of_field("bits", f"Must be a multiple of 8 from {MIN_BITS} to {MAX_BITS}.")
    return bits // 8


def require_context(context: bytes) -> bytes:
    """Raises Invalid for an empty context."""
    if not context:
        raise Invalid.of_field("context", f"Must be 1 to {MAX_CONTEXT_BYTES} bytes.")
    return context


def derive_key(request: DerivationRequest, principal: Principal) -> DerivedKey:
    """The key for a context; the same for the same request. Raises refusals of the key, the principal or the audit log."""
    with measured(HKDF):
        return perform(principal, lambda context: decide_derivation(request, context))


def decide_derivation(request: DerivationRequest, context: DecisionContext) -> Decision[DerivedKey]:
    """The decision; the key is derived when it is finished. Raises refusals."""
    permit = context.recall(_use(request)) or _permit(request, context)
    return Decision(partial(_derive, request, permit), permit.grounds, request.size, context.request_id)


def _use(request: DerivationRequest) -> tuple[str, KeyReference, Mode, int | None]:
    return actions.KEY_DERIVED, request.key_id, HKDF, request.key_version


def _permit(request: DerivationRequest, context: DecisionContext) -> Permit[Deriver]:
    """As ``deciding.decide_use``, for an operation that is not one of the key's modes."""
    context.principal.require("crypto.derive")
    entry = context.find(request.key_id, "crypto.derive")
    _require_symmetric(entry)
    if request.key_version is None:
        version = entry.require_protect(process_now())
    else:
        version = named_version(entry, request.key_version, context)
    deriver = context.primitive(version, primitives.deriver, default_mode(entry, SEALING_MODES))
    event = key_event(actions.KEY_DERIVED, entry, version, algorithm=HKDF.name)
    grounds = grounds_of(event, context, protects=entry if request.key_version is None else None)
    permit = Permit(entry=entry, version=version, mode=HKDF, primitive=deriver, grounds=grounds)
    return context.remember(_use(request), permit)


def _require_symmetric(entry: CachedKey) -> None:
    if "derive" not in lifecycle.operations_of(entry.algorithm, entry.purpose):
        raise UnsupportedAlgorithm(
            f"A key of the type {entry.algorithm} cannot derive keys. Use a symmetric key that encrypts."
        )


def _derive(request: DerivationRequest, permit: Permit[Deriver]) -> DerivedKey:
    return DerivedKey(
        derived=permit.primitive.derive(request.context, request.size),
        mode=HKDF,
        key_id=permit.entry.key_id,
        key_version=permit.version.number,
    )
