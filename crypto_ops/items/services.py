"""Results, versions and audit events of batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from accounts.principals import Principal
from audit.log.events import Event, Outcome
from audit.named_keys import refused_keys
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import KeyRequest, key_event, perform
from crypto_ops.measurement import measured
from kernel.clock import process_now
from kernel.crypto.modes import Mode
from kernel.errors import DomainError, Invalid
from keys.ring.cached_keys import CachedKey, CachedVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult[R: (str, bytes, bool)]:
    """A result for each item in the order of the items, with a refusal for each failed item.

    ``key_version``: the version that protected; None if each item has its own. ``refusals``: those among the results.
    """

    mode: Mode
    key_id: UUID
    key_version: int | None
    results: Sequence[R | DomainError] = field(repr=False)
    refusals: Sequence[DomainError] = field(repr=False)

    @property
    def refused(self) -> int:
        """The number of refused items."""
        return len(self.refusals)


class BatchRequest[R: (str, bytes, bool)](KeyRequest[BatchResult[R]], frozen=True, kw_only=True):
    @property
    def items(self) -> Sequence[object]:
        return ()


type ItemResult = str | bytes | bool | DomainError
type AnyBatchResult = BatchResult[str] | BatchResult[bytes] | BatchResult[bool]


class BatchVersions:
    """The versions of a key that the items of a batch use, each checked once."""

    def __init__(self, entry: CachedKey, context: DecisionContext, *, for_reencryption: bool = False) -> None:
        self._entry = entry
        self._for_reencryption = for_reencryption
        self._context = context
        self._now = process_now()
        self.used: dict[int, CachedVersion] = {}

    @property
    def only(self) -> CachedVersion | None:
        """The version of all items; None if there are several or none."""
        return next(iter(self.used.values())) if len(self.used) == 1 else None

    def find(self, number: int | None) -> CachedVersion:
        """The version that an item names, which may process. Raises Invalid, KeyNotUsable."""
        if number is None:
            if len(self._entry.versions) > 1:
                raise Invalid.of_field(
                    "key_version", "This field is required because a batch does not try versions."
                )
            number = self._entry.primary_version
        if number not in self._entry.versions:
            raise Invalid.of_field("key_version", "The key has no version with this number.")
        if number not in self.used:
            self.used[number] = self._context.require_process(
                self._entry, number, self._now, for_reencryption=self._for_reencryption
            )
        return self.used[number]


def perform_batch[R: (str, bytes, bool)](request: BatchRequest[R], principal: Principal) -> BatchResult[R]:
    """As ``perform_measured``, with the number of refused items. Raises refusals that concern the whole batch."""
    with measured(request.mode or Mode(request.unknown_mode), len(request.items)) as measurement:
        batch = perform(request, principal)
        measurement.mode, measurement.refused = batch.mode, batch.refused
    return batch


def refusals_of(items: Sequence[object]) -> list[DomainError]:
    return [item for item in items if isinstance(item, DomainError)]


def keys_of(refusals: Sequence[DomainError], key_id: UUID) -> Mapping[str, list[str]]:
    """The member of ``meta`` with the keys of refused ciphertexts, without the key of the batch."""
    named = (str(refusal.named_key) for refusal in refusals if refusal.named_key is not None)
    return refused_keys(named, str(key_id))


def batch_event(
    action: str,
    entry: CachedKey,
    version: CachedVersion | None,
    mode: Mode,
    succeeded: int,
    refusals: Sequence[DomainError],
    **facts: object,
) -> Event:
    """One event for all successes, with the number of failures. If all failed, it has the code of the first failure."""
    failed = {"failed": len(refusals)} if succeeded and refusals else {}
    return key_event(
        action,
        entry,
        version,
        count=succeeded or len(refusals),
        outcome=Outcome.OK if succeeded else Outcome.ERROR,
        code="" if succeeded else refusals[0].code,
        algorithm=mode.name,
        **failed,
        **facts,
    )
