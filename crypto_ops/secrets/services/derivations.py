"""Derive keys from a key and a context, for every interface."""

from typing import ClassVar, Final
from uuid import UUID

from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit, Use
from crypto_ops.deciding.services import KeyRequest, default_mode, find_key, named_version, permit_of
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


class DerivedKey(Unprinted, frozen=True, kw_only=True):
    derived: bytes
    mode: Mode
    key_id: UUID
    key_version: int


class DerivationRequest(KeyRequest[DerivedKey], frozen=True, kw_only=True):
    """``size`` is in bytes. ``key_version``: None for the primary version."""

    unknown_mode: ClassVar = HKDF.name

    key_id: KeyReference
    context: bytes
    size: int
    key_version: int | None = None

    def decide(self, context: DecisionContext) -> Decision[DerivedKey]:
        """The key is derived when the decision is finished."""
        use = (actions.KEY_DERIVED, self.key_id, HKDF, self.key_version)
        permit = context.recall(use) or self._permit(use, context)
        return _Derivation(permit.grounds, self.size, context.request_id, request=self, permit=permit)

    def _permit(self, use: Use[Mode], context: DecisionContext) -> Permit[Deriver]:
        entry = find_key(use, "crypto.derive", context)
        _require_symmetric(entry)
        if self.key_version is None:
            version = entry.require_protect(process_now())
        else:
            version = named_version(entry, self.key_version, context)
        deriver = context.primitive(version, primitives.deriver, default_mode(entry, SEALING_MODES))
        return permit_of(use, entry, version, HKDF, deriver, context, protects=self.key_version is None)


class _Derivation(Decision[DerivedKey], frozen=True, kw_only=True):
    request: DerivationRequest
    permit: Permit[Deriver]

    def finish(self) -> DerivedKey:
        return DerivedKey(
            derived=self.permit.primitive.derive(self.request.context, self.request.size),
            mode=HKDF,
            key_id=self.permit.entry.key_id,
            key_version=self.permit.version.number,
        )


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


def _require_symmetric(entry: CachedKey) -> None:
    if "derive" not in lifecycle.operations_of(entry.algorithm, entry.purpose):
        raise UnsupportedAlgorithm(
            f"A key of the type {entry.algorithm} cannot derive keys. Use a symmetric key that encrypts."
        )
