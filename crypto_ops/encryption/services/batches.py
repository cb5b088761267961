"""Batches: many messages under one key with one decision and one audit event. Each message succeeds or fails alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from msgspec import Struct

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import decision_of, grounds_of, perform
from crypto_ops.encryption.services.messages import protecting_version
from crypto_ops.items.services import BatchResult, BatchVersions, batch_event, refusals_of
from crypto_ops.measurement import measured
from kernel.clock import process_now
from kernel.crypto import envelope
from kernel.crypto.aead import Message, Sealed
from kernel.crypto.errors import DecryptionFailed
from kernel.crypto.modes import SealingMode
from kernel.crypto.public_key_encryption import PublicKeySealer
from kernel.errors import DomainError, Invalid
from keys import lifecycle
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptBatch:
    """The messages to seal; ``items`` contains a refusal for each one that could not be read.

    Else like ``EncryptRequest``.
    """

    mode: SealingMode
    items: Sequence[Message | DomainError] = field(repr=False)
    key_id: KeyReference | None = None
    key_version: int | None = None


class SealedItem(Struct, frozen=True):
    """``version``: None if the caller did not name it. ``key_id``: from a self-describing ciphertext, else None."""

    sealed: Sealed
    version: int | None
    aad: bytes
    key_id: UUID | None = None

    def __repr__(self) -> str:
        return "<SealedItem>"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptBatch:
    mode: SealingMode
    key_id: KeyReference
    items: Sequence[SealedItem | DomainError] = field(repr=False)


def encrypt_batch(request: EncryptBatch, principal: Principal) -> BatchResult[str]:
    """Seal all items with the key's primary version. Raises refusals that concern the whole batch."""
    with measured(request.mode, len(request.items)) as measurement:
        batch = perform(principal, lambda context: decide_encryptions(request, context))
        measurement.refused = batch.refused
    return batch


def decrypt_batch(request: DecryptBatch, principal: Principal) -> BatchResult[bytes]:
    """Open all items. Raises refusals that concern the whole batch."""
    with measured(request.mode, len(request.items)) as measurement:
        batch = perform(principal, lambda context: decide_decryptions(request, context))
        measurement.refused = batch.refused
    return batch


def decide_encryptions(request: EncryptBatch, context: DecisionContext) -> Decision[BatchResult[str]]:
    """The results, which must not be released before the commit. Raises refusals that concern the whole batch."""
    context.principal.require("crypto.encrypt")
    mode = request.mode
    refusals = refusals_of(request.items)
    if request.key_id is not None:
        entry = context.find(request.key_id, "crypto.encrypt")
    elif len(refusals) < len(request.items):
        entry = context.find_default(mode.key_algorithm, "crypto.encrypt")
    else:  # the first use creates the default key, and there is no message to use it for
        raise Invalid.of_field(
            "items", "None of the items can be read. Send key_id to get the error of each item."
        )
    version = protecting_version(entry, mode, request.key_version, context)
    sealer = context.primitive(version, primitives.sealer_of(mode), mode)
    items = request.items
    if mode.is_public_key:
        items = [checked(item, sealer) for item in items]
        refusals = refusals_of(items)
    messages = _without_refusals(items) if refusals else cast(Sequence[Message], items)
    context.reserve(version, mode, len(messages))

    def finish() -> BatchResult[str]:
        pieces = sealer.seal_many(messages, key_id=entry.key_id, version=version.number)
        sealed = envelope.encode_many(mode, entry.key_id, version.number, pieces)
        return BatchResult(
            mode=mode,
            key_id=entry.key_id,
            key_version=version.number,
            results=_in_order(items, sealed) if refusals else sealed,
            refusals=refusals,
        )

    event = batch_event(actions.MESSAGE_ENCRYPTED, entry, version, mode, len(messages), refusals)
    size = sum(len(plaintext) for plaintext, _ in messages)
    grounds = grounds_of(event, context, protects=entry)
    return Decision(finish, grounds, size, context.request_id)


def decide_decryptions(request: DecryptBatch, context: DecisionContext) -> Decision[BatchResult[bytes]]:
    """The results, which must not be released before the commit. Raises refusals that concern the whole batch."""
    context.principal.require("crypto.decrypt")
    if request.mode.opens_slowly:
        context.admit_slow()
    entry = context.find(request.key_id, "crypto.decrypt")
    lifecycle.require_process(entry.lifecycle_state(process_now()))
    opener = Opener(entry, request.mode, context)
    results = [item if isinstance(item, DomainError) else opener.open(item) for item in request.items]
    opened = [result for result in results if isinstance(result, bytes)]
    refusals = refusals_of(results)
    batch = BatchResult(
        mode=request.mode, key_id=entry.key_id, key_version=None, results=results, refusals=refusals
    )
    event = batch_event(
        actions.MESSAGE_DECRYPTED, entry, opener.versions.only, request.mode, len(opened), refusals
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

    def open(self, item: SealedItem) -> bytes | DomainError:
        key_id = self._entry.key_id
        if item.key_id is not self._named:  # identity first: the key ids of equal headers are one object
            if item.key_id not in (None, key_id):
                return of_another_key()
            self._named = item.key_id
        try:
            cipher, version = self._ciphers.get(item.version) or self._cipher(item.version)
            plaintext: bytes = cipher.open(item.sealed, key_id=key_id, version=version, aad=item.aad)
        except DomainError as error:
            return error
        return plaintext

    def _cipher(self, number: int | None) -> tuple[Any, int]:
        if number is not None and number not in self._entry.versions:
            raise DecryptionFailed  # as for one message: indistinguishable from an altered ciphertext
        version = self.versions.find(number)
        found = self._ciphers[number] = (
            self._context.primitive(version, primitives.opener_of(self._mode), self._mode),
            version.number,
        )
        return found
