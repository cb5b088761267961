"""Decides operations with transit keys: one message, or a batch, each of whose messages succeeds or fails alone."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct

from audit.commit.decisions import Decision, Ready
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit, Use
from crypto_ops.deciding.services import KeyRequest, decision_of, find_key, permit_of, with_facts
from crypto_ops.items.services import batch_event, refusals_of
from crypto_ops.requests import Unprinted
from crypto_ops.transit.items import Opening, Sealing, TransitItem
from kernel.clock import process_now
from kernel.crypto.modes import Mode, TransitMode
from kernel.crypto.transit_types import type_of
from kernel.errors import DomainError, Invalid
from keys import lifecycle
from keys.references import KeyReference
from keys.ring.cached_keys import CachedKey, CachedVersion


class TransitResult(Struct, frozen=True):
    """``version``: that was used. ``octets``: a ciphertext, plaintext, signature or MAC. ``is_valid``: of a verification, else None.

    ``size``: of the message, in bytes. ``public_key``: of a signature by a derived key.
    """

    version: int
    size: int
    octets: bytes = b""
    is_valid: bool | None = None
    public_key: bytes = b""

    def __repr__(self) -> str:
        return "<TransitResult>"


class TransitResults(Unprinted, frozen=True, kw_only=True):
    """A result or a refusal for each message, in order."""

    mode: Mode
    key_id: UUID
    results: Sequence[TransitResult | DomainError]

    @property
    def refused(self) -> int:
        return len(refusals_of(self.results))

    @property
    def size(self) -> int | None:
        """The size of all messages that succeeded; None without one."""
        sizes = [result.size for result in self.results if isinstance(result, TransitResult)]
        return sum(sizes) if sizes else None

    @property
    def only(self) -> TransitResult:
        """Of a request with one message, whose refusal is that of the request."""
        [result] = self.results
        if isinstance(result, DomainError):
            raise result
        return result


class TransitRequest(KeyRequest[TransitResults], frozen=True, kw_only=True):
    """``kind``: of the items. A refused item of a request that is no batch refuses the request."""

    unknown_mode: ClassVar = "transit"

    key_id: KeyReference
    kind: type[TransitItem]
    items: Sequence[TransitItem | DomainError]
    is_batch: bool = False

    def decide(self, context: DecisionContext) -> Decision[TransitResults]:
        """The results are computed already, and are not released before the commit."""
        if self.is_batch:
            return self._decide_batch(context)
        [item] = self.items
        if isinstance(item, DomainError):
            raise item
        use: Use[TransitMode] = (self.kind.action, self.key_id, None, item.key_version)
        permit: Permit[Any] = context.recall(use) or self._permit(use, context)
        if permit.mode.is_slow:
            context.admit_slow()
        if self.kind.reserves:
            context.reserve(permit.version, permit.mode)
        result = _result_of(item, permit.version, permit.primitive)
        grounds = with_facts(permit.grounds, valid=False) if result.is_valid is False else permit.grounds
        results = TransitResults(mode=permit.mode, key_id=permit.entry.key_id, results=[result])
        return Ready(grounds, result.size, context.request_id, result=results)

    def _permit(self, use: Use[TransitMode], context: DecisionContext) -> Permit[Any]:
        versions = Versions(self.kind, find_key(use, self.kind.permission, context), context)
        version, primitive = versions.find(use[3] or 0)
        return permit_of(
            use, versions.entry, version, versions.mode, primitive, context, protects=self.kind.protects
        )

    def _decide_batch(self, context: DecisionContext) -> Decision[TransitResults]:
        kind = self.kind
        entry = find_key((kind.action, self.key_id, None, None), kind.permission, context)
        versions = Versions(kind, entry, context)
        if versions.mode.is_slow:
            context.admit_slow()
        results = [versions.perform(item) for item in self.items]
        refusals = refusals_of(results)
        succeeded = len(results) - len(refusals)
        invalid = sum(result.is_valid is False for result in results if isinstance(result, TransitResult))
        facts = {"invalid": invalid} if invalid else {}
        event = batch_event(kind.action, entry, versions.only, versions.mode, succeeded, refusals, **facts)
        found = TransitResults(mode=versions.mode, key_id=entry.key_id, results=results)
        return decision_of(found, event, context, size=found.size, protects=entry if kind.protects else None)


class Rewrapping(Unprinted, frozen=True, kw_only=True):
    """A ciphertext to open, and how to seal its plaintext. ``target_version``: 0 for the primary one."""

    opening: Opening
    target_version: int = 0


class RewrapRequest(KeyRequest[TransitResults], frozen=True, kw_only=True):
    """Seals messages again under another version of their key. The plaintexts stay internal."""

    unknown_mode: ClassVar = "transit"

    key_id: KeyReference
    items: Sequence[Rewrapping | DomainError]
    is_batch: bool = False

    def decide(self, context: DecisionContext) -> Decision[TransitResults]:
        use: Use[TransitMode] = (actions.MESSAGE_REENCRYPTED, self.key_id, None, None)
        entry = find_key(use, "crypto.reencrypt", context)
        sources, targets = Versions(Opening, entry, context), Versions(Sealing, entry, context)
        if sources.mode.is_slow:
            context.admit_slow()
        results = [self._rewrap(item, sources, targets) for item in self.items]
        refusals = refusals_of(results)
        if refusals and not self.is_batch:
            raise refusals[0]
        succeeded = len(results) - len(refusals)
        event = batch_event(
            actions.MESSAGE_REENCRYPTED, entry, sources.only, sources.mode, succeeded, refusals
        )
        found = TransitResults(mode=sources.mode, key_id=entry.key_id, results=results)
        return decision_of(found, event, context, size=found.size, protects=entry)

    def _rewrap(
        self, item: Rewrapping | DomainError, sources: "Versions", targets: "Versions"
    ) -> TransitResult | DomainError:
        if isinstance(item, DomainError):
            return item
        opened = sources.perform(item.opening)
        if isinstance(opened, DomainError):
            return opened
        opening = item.opening
        return targets.perform(
            Sealing(
                plaintext=opened.octets,
                context=opening.context,
                aad=opening.aad,
                key_version=item.target_version,
            )
        )


class Versions:
    """The versions of a key for one kind of message. Raises the refusals of the key."""

    def __init__(
        self,
        kind: type[TransitItem],
        entry: CachedKey,
        context: DecisionContext,
        *,
        for_reencryption: bool = False,
    ) -> None:
        self.entry = entry
        self._for_reencryption = for_reencryption
        self._kind = kind
        self._context = context
        self._now = process_now()
        self.mode = _mode_of(kind, entry)
        self._used: dict[int, tuple[CachedVersion, Any]] = {}
        if kind.protects:
            self._primary = entry.require_protect(self._now).number
            entry.require_allowed(self.mode)
        else:
            self._primary = entry.primary_version
            lifecycle.require_process(entry.lifecycle_state(self._now), for_reencryption=for_reencryption)

    @property
    def only(self) -> CachedVersion | None:
        """The version of all messages; None if there are several or none."""
        return next(iter(self._used.values()))[0] if len(self._used) == 1 else None

    def find(self, number: int) -> tuple[CachedVersion, Any]:
        """The version, 0 for the primary one, and its primitive. Raises Invalid, KeyNotUsable."""
        number = number or self._primary
        found = self._used.get(number)
        if found is None:
            self._require(number)
            version = self._context.require_process(
                self.entry, number, self._now, for_reencryption=self._for_reencryption
            )
            primitive = self._context.primitive(version, self._kind.build, self.mode)
            found = self._used[number] = version, primitive
        return found

    def perform(self, item: TransitItem | DomainError) -> TransitResult | DomainError:
        if isinstance(item, DomainError):
            return item
        try:
            version, primitive = self.find(item.key_version)
            if self._kind.reserves:
                self._context.reserve(version, self.mode)
            return _result_of(item, version, primitive)
        except DomainError as refusal:
            return refusal

    def _require(self, number: int) -> None:
        """Refuse a version out of range, in OpenBao's words."""
        if self._kind.protects:
            if self._kind.operation == "mac":
                _require_mac_version(number, self.entry)
            _require_target(number, self.entry, self._kind.verb)
        elif number > self.entry.primary_version:
            raise Invalid(self._kind.too_new)
        elif number < self.entry.min_decryption_version:
            raise Invalid(self._kind.too_old)


def _require_target(number: int, entry: CachedKey, verb: str) -> None:
    if number < 0:
        raise Invalid(f"requested version for {verb} is negative")
    if number > entry.primary_version:
        raise Invalid(f"requested version for {verb} is higher than the latest key version")
    if number < max(entry.min_encryption_version, entry.min_decryption_version):
        raise Invalid(f"requested version for {verb} is less than the minimum encryption key version")


def _require_mac_version(number: int, entry: CachedKey) -> None:
    if number < 0:
        raise Invalid("key version does not exist (cannot be negative)")
    if number > entry.primary_version:
        raise Invalid(f"key version does not exist; latest key version is {entry.primary_version}")
    if number < max(entry.min_encryption_version, entry.min_decryption_version):
        raise Invalid("cannot generate HMAC: version is too old (disallowed by policy)")


def _mode_of(kind: type[TransitItem], entry: CachedKey) -> TransitMode:
    """The mode of the key for this operation. Raises Invalid."""
    transit = type_of(entry.algorithm)
    mode = None if transit is None else transit.modes.get(kind.operation)
    if mode is None:
        raise Invalid(kind.unsupported.format(transit.name if transit else entry.algorithm))
    return mode


def _result_of(item: TransitItem, version: CachedVersion, primitive: Any) -> TransitResult:
    found = item.result(primitive)
    size = item.size_of(found)
    if isinstance(found, bool):
        return TransitResult(version.number, size, is_valid=found)
    return TransitResult(version.number, size, found, public_key=item.public_key(primitive))
