"""Pages of a re-encryption job: many ciphertexts with one decision, one audit event and one change of the job's row.

The event and the progress are committed together, so a repeated page counts again, as its items are encrypted again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from audit.log.events import Event, Outcome
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import CommitWithChange, decision_of, key_event, perform
from crypto_ops.encryption.services.batches import Opener, SealedItem, checked
from crypto_ops.items.services import keys_of, refusals_of
from crypto_ops.measurement import measured
from crypto_ops.models import Reencryption
from crypto_ops.reencryption.services import jobs as reencryptions
from crypto_ops.reencryption.services.one_message import mode_for, require_reason, target_of
from crypto_ops.reencryption.services.sources import MessageSource, TransitSource
from crypto_ops.requests import Unprinted
from crypto_ops.transit.items import Opening
from crypto_ops.transit.services.operations import Versions
from kernel.clock import process_now
from kernel.crypto.modes import SealingMode
from kernel.crypto.sealing import envelope
from kernel.crypto.sealing.aead import Message
from kernel.crypto.sealing.envelope import Envelope
from kernel.errors import DomainError, Invalid
from keys import lifecycle
from keys.ring import primitives
from keys.ring.cached_keys import CachedKey, CachedVersion

MAX_NAMED_VERSIONS: Final = 100  # in an audit event, whose size is limited


class PageItem(Unprinted, frozen=True):
    """One message of a page of a re-encryption job. ``target_aad``: as of ``ReencryptRequest``."""

    source: MessageSource | TransitSource
    target_aad: bytes | None = None

    @property
    def aad(self) -> bytes:
        """Of the new ciphertext."""
        return self.source.aad if self.target_aad is None else self.target_aad


@dataclass(frozen=True, slots=True, kw_only=True)
class _PageResult:
    """Ciphertexts in the order of the items, with a refusal for each failed item.

    ``current`` items were under the target version already, and are returned unchanged. ``versions`` has the number of
    re-encrypted and of refused items by source version.
    """

    results: Sequence[str | DomainError] = field(repr=False)
    refusals: Sequence[DomainError] = field(repr=False)
    current: int
    versions: Mapping[str, Mapping[str, int]]

    @property
    def refused(self) -> int:
        return len(self.refusals)

    @property
    def reencrypted(self) -> int:
        return len(self.results) - self.current - self.refused


class _PageRequest(Unprinted, frozen=True):
    job: Reencryption
    items: Sequence[PageItem | DomainError]

    def decide(self, context: DecisionContext) -> Decision[_PageResult]:
        """The items are encrypted again already. The results must not be released before the commit."""
        job = self.job
        context.principal.require(reencryptions.PERMISSION)
        now = process_now()
        source = context.find(job.key_id, reencryptions.PERMISSION)
        compromised = require_reason(source, job.reason)
        lifecycle.require_process(source.lifecycle_state(now), for_reencryption=True)
        target = target_of(job.target_key_id, source, context)
        page = _Page(source, target, target.require_protect(now), context)
        page.charge_trials(self.items)
        for item in self.items:
            page.add(item)
        result = page.seal()
        event = page.event(result, job_id=job.pk, source_compromised=compromised, reason=job.reason)
        return decision_of(result, event, context, size=page.size, protects=target)


class _Progress(CommitWithChange[_PageResult]):
    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id

    def change(self, page: _PageResult) -> None:
        row = reencryptions.lock_running(self._job_id)
        row.done += len(page.results)
        row.current += page.current
        row.refused += page.refused
        if row.total is not None:  # the client's own number, which a repeated page may exceed
            row.total = max(row.total, row.done)
        for number, counts in page.versions.items():
            row.versions[number] = Counter(row.versions.get(number, {})) + Counter(counts)
        reencryptions.save_progress(row)


def reencrypt_page(
    *, principal: Principal, job: Reencryption, items: Sequence[PageItem | DomainError]
) -> _PageResult:
    """Re-encrypt the items of one page of a running job (``find_running``).

    ``items`` contains a refusal for each one that could not be read. Raises Denied, NotFound, Conflict if the job has
    ended, and refusals that concern the whole page.
    """
    request, progress = _PageRequest(job, items), _Progress(job.pk)
    mode = next((item.source.mode for item in items if isinstance(item, PageItem)), None)
    if mode is None:
        return perform(request, principal, progress)
    with measured(mode, len(items)) as measurement:
        page = perform(request, principal, progress)
        measurement.refused = page.refused
    return page


class _Page:
    """Opens the items of a page, and seals them under the primary version of the target key."""

    def __init__(
        self, source: CachedKey, target: CachedKey, primary: CachedVersion, context: DecisionContext
    ) -> None:
        self._source, self._target, self._primary, self._context = source, target, primary, context
        self._openers: dict[SealingMode, Opener] = {}
        self._transit: Versions | None = None
        self._opened: dict[SealingMode, dict[int, Message]] = {}  # by mode of the target, then by place
        self._results: list[str | DomainError] = []
        self._numbers: list[int | None] = []  # the source version of each item
        self._current = 0
        self.size = 0

    def add(self, item: PageItem | DomainError) -> None:
        """Open an item, unless it is under the target version already: its header states so, and it stays closed."""
        if isinstance(item, DomainError):
            self._keep(item, None)
            return
        request = item.source.request if isinstance(item.source, MessageSource) else None
        if request and (request.key_id, request.key_version) == (self._target.key_id, self._primary.number):
            self._current += 1
            number = self._primary.number
            self._keep(
                envelope.encode(Envelope(request.mode, self._target.key_id, number, request.sealed)), None
            )
        elif item.source.key_id != self._source.key_id:
            refusal = Invalid.of_field("ciphertext", "The key is not the source key of this job.")
            refusal.named_key = request.key_id if request and isinstance(request.key_id, UUID) else None
            self._keep(refusal, None)
        else:
            self._keep(*self._open(item))

    def charge_trials(self, items: Sequence[PageItem | DomainError]) -> None:
        """As ``Opener.charge_trials``, for messages of another system under a key of this job."""
        requests = [
            item.source.request
            for item in items
            if isinstance(item, PageItem) and isinstance(item.source, MessageSource)
        ]
        foreign = [request for request in requests if request.mode.is_foreign]
        if foreign:
            sealed = [SealedItem(each.sealed, each.key_version, each.aad) for each in foreign]
            self._opener(foreign[0].mode).charge_trials(sealed)

    def seal(self) -> _PageResult:
        """Reserve the invocations, and seal what was opened. Raises UsageLimitReached."""
        key_id, number = self._target.key_id, self._primary.number
        for mode, opened in self._opened.items():
            self._context.reserve(self._primary, mode, len(opened))
            sealer = self._sealer(mode)
            pieces = sealer.seal_many(list(opened.values()), key_id=key_id, version=number)
            texts = envelope.encode_many(mode, key_id, number, pieces)
            for place, text in zip(opened, texts, strict=True):
                self._results[place] = text
        return _PageResult(
            results=self._results,
            refusals=refusals_of(self._results),
            current=self._current,
            versions=self._by_version(),
        )

    def event(self, page: _PageResult, **meta: object) -> Event:
        """One event for the whole page. Its code is that of the first refusal if all items were refused."""
        succeeded = page.reencrypted + page.current
        return key_event(
            actions.MESSAGE_REENCRYPTED,
            self._source,
            self._only_version(page),
            count=max(page.reencrypted, 1)
            if succeeded
            else page.refused,  # an entry counts at least one operation
            outcome=Outcome.OK if succeeded else Outcome.ERROR,
            code="" if succeeded else page.refusals[0].code,
            target_key_id=self._target.key_id,
            target_key_version=self._primary.number,
            current=page.current,
            failed=page.refused,
            **keys_of(page.refusals, self._source.key_id),
            **({"versions": page.versions} if len(page.versions) <= MAX_NAMED_VERSIONS else {}),
            **({"algorithm": next(iter(self._opened)).name} if len(self._opened) == 1 else {}),
            **meta,
        )

    def _only_version(self, page: _PageResult) -> CachedVersion | None:
        """The version that all items were under; None if there are several or none."""
        used = {
            number: version
            for opener in self._openers.values()
            for number, version in opener.versions.used.items()
        }
        if self._transit is not None:
            return self._transit.only
        if not used and page.current:  # an entry that names no version could concern each of them
            return self._source.versions[self._source.primary_version]
        return next(iter(used.values())) if len(used) == 1 else None

    def _keep(self, result: str | DomainError, number: int | None) -> None:
        self._results.append(result)
        self._numbers.append(number)

    def _open(self, item: PageItem) -> tuple[str | DomainError, int | None]:
        """Open an item for ``seal``, which replaces the result: the refusal if there is one, and the version."""
        plaintext, number = self._plaintext(item.source)
        if isinstance(plaintext, DomainError):
            return plaintext, number
        target_mode = mode_for(self._target, item.source.mode)
        message: Message = (plaintext, item.aad)
        if target_mode.is_public_key:
            refusal = checked(message, self._sealer(target_mode))
            if isinstance(refusal, DomainError):
                return refusal, number
        self._opened.setdefault(target_mode, {})[len(self._results)] = message
        self.size += len(plaintext)
        return "", number

    def _plaintext(self, source: MessageSource | TransitSource) -> tuple[bytes | DomainError, int | None]:
        """The plaintext or the refusal, and the version if it is one of the key."""
        if isinstance(source, TransitSource):
            if self._transit is None:
                self._transit = Versions(Opening, self._source, self._context, for_reencryption=True)
            result = self._transit.perform(source.opening)
            number: int | None = source.opening.key_version
            plaintext = result if isinstance(result, DomainError) else result.octets
        else:
            request = source.request
            opener = self._opener(request.mode)
            plaintext = opener.open(
                SealedItem(request.sealed, request.key_version, request.aad, self._source.key_id)
            )
            number = request.key_version or opener.number
        return plaintext, number if number in self._source.versions else None

    def _opener(self, mode: SealingMode) -> Opener:
        if mode not in self._openers:
            self._openers[mode] = Opener(self._source, mode, self._context, for_reencryption=True)
        return self._openers[mode]

    def _sealer(self, mode: SealingMode) -> Any:
        return self._context.primitive(self._primary, primitives.sealer_of(mode), mode)

    def _by_version(self) -> Mapping[str, Mapping[str, int]]:
        counts: dict[str, Counter[str]] = {}
        for number, result in zip(self._numbers, self._results, strict=True):
            if number is not None:
                word = "refused" if isinstance(result, DomainError) else "reencrypted"
                counts.setdefault(str(number), Counter())[word] += 1
        return counts
