"""Batches: many messages under one key with one decision and one audit event. Each message succeeds or fails alone."""

from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import decision_of
from crypto_ops.encryption.services.messages import MAX_TRIALS, encrypting_permit
from crypto_ops.items.services import (
    BatchRequest,
    BatchResult,
    BatchVersions,
    batch_event,
    keys_of,
    refusals_of,
)
from kernel.clock import process_now
from kernel.crypto.asymmetric.public_key_encryption import PublicKeySealer
from kernel.crypto.errors import DecryptionFailed
from kernel.crypto.modes import SealingMode
from kernel.crypto.sealing import envelope
from kernel.crypto.sealing.aead import Message, Sealed
from kernel.errors import DomainError, Invalid
from keys import lifecycle
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedKey, CachedVersion


class EncryptBatch(BatchRequest[str], frozen=True, kw_only=True):
    """The messages to seal; ``items`` contains a refusal for each one that could not be read.

    Else like ``EncryptRequest``.
    """

    mode: SealingMode
    items: Sequence[Message | DomainError]
    key_id: KeyReference | None = None
    key_version: int | None = None

    def decide(self, context: DecisionContext) -> Decision[BatchResult[str]]:
        """The messages are sealed when the decision is finished."""
        context.principal.require("crypto.encrypt")
        items, refusals = self.items, refusals_of(self.items)
        if self.key_id is None and len(refusals) == len(items):
            # The first use creates the default key, and there is no message to use it for.
            raise Invalid.of_field(
                "items", "None of the items can be read. Send key_id to get the error of each item."
            )
        use = (actions.MESSAGE_ENCRYPTED, self.key_id, self.mode, self.key_version)
        permit = context.recall(use) or encrypting_permit(use, context)
        if self.mode.is_public_key:
            items = [checked(item, permit.primitive) for item in items]
            refusals = refusals_of(items)
        messages = _without_refusals(items) if refusals else cast(Sequence[Message], items)
        context.reserve(permit.version, self.mode, len(messages))
        event = batch_event(
            actions.MESSAGE_ENCRYPTED, permit.entry, permit.version, self.mode, len(messages), refusals
        )
        return _Sealing(
            replace(permit.grounds, event=event),
            sum(len(plaintext) for plaintext, _ in messages),
            context.request_id,
            permit=permit,
            items=items,
            messages=messages,
            refusals=refusals,
        )


class _Sealing(Decision[BatchResult[str]], frozen=True, kw_only=True):
    permit: Permit[Any]
    items: Sequence[Message | DomainError]
    messages: Sequence[Message]
    refusals: Sequence[DomainError]

    def finish(self) -> BatchResult[str]:
        mode, key_id, number = self.permit.mode, self.permit.entry.key_id, self.permit.version.number
        pieces = self.permit.primitive.seal_many(self.messages, key_id=key_id, version=number)
        sealed = envelope.encode_many(mode, key_id, number, pieces)
        return BatchResult(
            mode=mode,
            key_id=key_id,
            key_version=number,
            results=_in_order(self.items, sealed) if self.refusals else sealed,
            refusals=self.refusals,
        )


class SealedItem(Struct, frozen=True):
    """``version``: None if the caller did not name it. ``key_id``: from a self-describing ciphertext, else None."""

    sealed: Sealed
    version: int | None
    aad: bytes
    key_id: UUID | None = None

    def __repr__(self) -> str:
        return "<SealedItem>"


class DecryptBatch(BatchRequest[bytes], frozen=True, kw_only=True):
    mode: SealingMode
    key_id: KeyReference
    items: Sequence[SealedItem | DomainError]

    def decide(self, context: DecisionContext) -> Decision[BatchResult[bytes]]:
        """The messages are open already. The results must not be released before the commit."""
        context.principal.require("crypto.decrypt")
        if self.mode.opens_slowly:
            context.admit_slow()
        entry = context.find(self.key_id, "crypto.decrypt")
        lifecycle.require_process(entry.lifecycle_state(process_now()))
        opener = Opener(entry, self.mode, context)
        opener.charge_trials(self.items)
        results = [item if isinstance(item, DomainError) else opener.open(item) for item in self.items]
        opened = [result for result in results if isinstance(result, bytes)]
        refusals = refusals_of(results)
        batch = BatchResult(
            mode=self.mode, key_id=entry.key_id, key_version=None, results=results, refusals=refusals
        )
        event = batch_event(
            actions.MESSAGE_DECRYPTED,
            entry,
            opener.versions.only,
            self.mode,
            len(opened),
            refusals,
            **keys_of(refusals, entry.key_id),
        )
        return decision_of(batch, event, context, size=sum(map(len, opened)))


def checked(item: Message | DomainError, sealer: PublicKeySealer) -> Message | DomainError:
    """The item, or the refusal of a message that the key cannot encrypt."""
    if not isinstance(item, DomainError):
        try:
            sealer.check(*item)
        except DomainError as refusal:
            return refusal
    return item


def _without_refusals(items: Sequence[Message | DomainError]) -> list[Message]:
    return [item for item in items if not isinstance(item, DomainError)]


def _in_order(items: Sequence[Message | DomainError], sealed: Iterable[str]) -> list[str | DomainError]:
    remaining = iter(sealed)
    return [item if isinstance(item, DomainError) else next(remaining) for item in items]


def of_another_key() -> Invalid:
    """The refusal of an item whose ciphertext names another key or algorithm."""
    return Invalid.of_field("ciphertext", "The key or algorithm differs from that of the batch.")


class Opener:
    """Opens items of one key and records the versions used."""

    def __init__(
        self, entry: CachedKey, mode: SealingMode, context: DecisionContext, *, for_reencryption: bool = False
    ) -> None:
        self._entry = entry
        self._context = context
        self._mode = mode
        self.versions = BatchVersions(entry, context, for_reencryption=for_reencryption)
        self._ciphers: dict[int | None, tuple[Any, int]] = {}
        self._named: UUID | None = None  # the key that the last item names
        self.number: int | None = None  # the version that opened the last item
        self._tried: list[CachedVersion] = []  # for items that name no version
        if mode.is_foreign:
            found = entry.processing_versions(process_now(), for_reencryption=for_reencryption)
            self._tried = found[:MAX_TRIALS]

    def charge_trials(self, items: Sequence[SealedItem | DomainError]) -> None:
        """Messages of other systems do not name their version. Each try after the first counts as a request."""
        unnamed = sum(isinstance(item, SealedItem) and item.version is None for item in items)
        if unnamed and len(self._tried) > 1:
            self._context.charge(unnamed * (len(self._tried) - 1))

    def open(self, item: SealedItem) -> bytes | DomainError:
        key_id = self._entry.key_id
        if item.key_id is not self._named:  # identity first: the key ids of equal headers are one object
            if item.key_id not in (None, key_id):
                refusal = of_another_key()
                refusal.named_key = item.key_id
                return refusal
            self._named = item.key_id
        try:
            if self._tried and item.version is None:
                return self._open_any(item)
            cipher, version = self._ciphers.get(item.version) or self._cipher(item.version)
            self.number = version
            plaintext: bytes = cipher.open(item.sealed, key_id=key_id, version=version, aad=item.aad)
        except DomainError as error:
            return error
        return plaintext

    def _open_any(self, item: SealedItem) -> bytes:
        self.number = None
        for version in self._tried:
            opener = self._context.primitive(version, primitives.opener_of(self._mode), self._mode)
            try:
                plaintext: bytes = opener.open(
                    item.sealed, key_id=self._entry.key_id, version=version.number, aad=item.aad
                )
            except DecryptionFailed:
                continue
            self.number = self.versions.find(version.number).number
            return plaintext
        raise DecryptionFailed

    def _cipher(self, number: int | None) -> tuple[Any, int]:
        if number is not None and number not in self._entry.versions:
            raise DecryptionFailed  # as for one message: indistinguishable from an altered ciphertext
        version = self.versions.find(number)
        found = self._ciphers[number] = (
            self._context.primitive(version, primitives.opener_of(self._mode), self._mode),
            version.number,
        )
        return found
