"""The messages that re-encryption opens: of this server, of other systems, and of transit keys."""

from typing import NamedTuple, Protocol

from crypto_ops.deciding.context import DecisionContext
from crypto_ops.encryption.services.messages import DecryptRequest, candidates_of, charge_trials, open_message
from crypto_ops.requests import Unprinted
from crypto_ops.transit.items import Opening
from crypto_ops.transit.services.operations import Versions
from kernel.crypto.modes import Mode
from keys.references import KeyReference
from keys.ring.cached_keys import CachedKey, CachedVersion


class _Opened(NamedTuple):
    version: CachedVersion
    plaintext: bytes

    def __repr__(self) -> str:
        return "<Opened>"


class Source(Protocol):
    """A message with its additional data. ``mode``: None if only the key has it. ``is_authentic``: only a holder of the key can have sealed it."""

    @property
    def key_id(self) -> KeyReference: ...
    @property
    def aad(self) -> bytes: ...
    @property
    def mode(self) -> Mode | None: ...

    def is_authentic(self, entry: CachedKey) -> bool: ...

    def open(self, entry: CachedKey, context: DecisionContext) -> _Opened:
        """Raises refusals, DecryptionFailed."""
        ...


class MessageSource(Unprinted, frozen=True, kw_only=True):
    request: DecryptRequest

    @property
    def key_id(self) -> KeyReference:
        return self.request.key_id

    @property
    def aad(self) -> bytes:
        return self.request.aad

    @property
    def mode(self) -> Mode:
        return self.request.mode

    def is_authentic(self, _entry: CachedKey) -> bool:
        return not self.request.mode.is_public_key

    def open(self, entry: CachedKey, context: DecisionContext) -> _Opened:
        candidates = candidates_of(self.request, entry, context, for_reencryption=True)
        charge_trials(candidates, context)
        return _Opened(*open_message(self.request, entry, candidates, context, for_reencryption=True))


class TransitSource(Unprinted, frozen=True, kw_only=True):
    key_id: KeyReference
    opening: Opening
    mode: Mode | None = None

    @property
    def aad(self) -> bytes:
        return self.opening.aad

    def is_authentic(self, entry: CachedKey) -> bool:
        return "rsa" not in entry.algorithm

    def open(self, entry: CachedKey, context: DecisionContext) -> _Opened:
        versions = Versions(Opening, entry, context, for_reencryption=True)
        if versions.mode.is_slow:
            context.admit_slow()
        version, cipher = versions.find(self.opening.key_version)
        return _Opened(version, self.opening.result(cipher))
