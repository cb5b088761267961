"""The periodic delivery: distribute new notifications, claim what is due, send it in threads, write the results."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final
from uuid import UUID, uuid4

from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.mac import Mac
from kernel.http.targets import Target
from kernel.trust import kek
from kernel.trust.kek_records import KekUnavailable
from kernel.trust.row_heads import find_current
from kernel.trust.row_mac import IntegrityFailed
from notifications.channels import Attempt, Batch, EmailBatch, WebhookBatch
from notifications.models import Delivery, Webhook
from notifications.services import claims
from notifications.services.distribution import distribute
from notifications.services.recipients import may_be_mailed
from notifications.services.webhooks import INACTIVE, may_receive

logger = logging.getLogger(__name__)

# A run begins no request after this time. Each request has its own limit, so a run ends soon afterwards.
_RUN_SECONDS: Final = 10.0
_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class _Turn:
    """A batch, and its attempts that are still to come."""

    batch: Batch
    attempts: Iterator[Attempt]


type _Sent = tuple[_Turn, Attempt | None]
"""None: the batch has no further attempt."""


def deliver_due() -> None:
    """One run. Several workers may run it at the same time."""
    distribute()
    holder = uuid4()
    claimed = claims.claim_due(holder)
    if not claimed:
        return
    try:
        _send([batch for rows in claimed if (batch := _batch_of(holder, rows))], holder)
    finally:
        claims.release(holder)


def _batch_of(holder: UUID, rows: list[Delivery]) -> Batch | None:
    """None if nothing can be sent to the target now."""
    webhook, address = rows[0].webhook, rows[0].email
    if webhook is not None:
        return _webhook_batch(holder, webhook, rows)
    if refused := [row for row in rows if not may_be_mailed(row)]:
        claims.fail(holder, refused, "not_configured")
        rows = [row for row in rows if row not in refused]
    return EmailBatch(rows, address) if rows else None


def _webhook_batch(holder: UUID, webhook: Webhook, rows: list[Delivery]) -> WebhookBatch | None:
    """An inactive webhook receives tests only."""
    try:
        found = find_current(Webhook.objects.filter(pk=webhook.pk))
        if found is None:
            return None
        webhook, secret = found, kek.unwrap_row(found)
        if refused := [row for row in rows if not may_receive(webhook, row)]:
            claims.fail(holder, refused, INACTIVE)
            rows = [row for row in rows if may_receive(webhook, row)]
        if not rows:
            return None
        return WebhookBatch(rows, Target.parse(webhook.url), Mac(secret))
    except (IntegrityFailed, UnwrapFailed, KekUnavailable):
        logger.exception("a webhook cannot be used: its row or its key was altered")
        claims.fail(holder, rows, "integrity_failed")
        return None


def _send(batches: list[Batch], holder: UUID) -> None:
    """Send in threads, one attempt of a batch after the other. This thread alone uses the database."""
    results: SimpleQueue[_Sent] = SimpleQueue()
    until = time.monotonic() + _RUN_SECONDS
    waiting = deque(_Turn(batch, batch.send(until)) for batch in batches)
    running = 0
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="delivery") as pool:
        while waiting or running:
            if waiting and running < _THREADS:
                running += _begin(pool, waiting.popleft(), results.put)
                continue
            turn, attempt = results.get()
            running -= 1
            if attempt is not None:
                _write(holder, turn.batch, attempt)
                waiting.append(turn)


def _begin(pool: ThreadPoolExecutor, turn: _Turn, put: Callable[[_Sent], None]) -> bool:
    """Whether an attempt was begun."""
    if not _is_unchanged(turn.batch):
        return False
    pool.submit(_send_next, turn, put)
    return True


def _is_unchanged(batch: Batch) -> bool:
    """False if the webhook was deleted or changed since it was read. The next run then reads it again."""
    webhook = batch.deliveries[0].webhook
    if webhook is None:
        return True
    same = Webhook.objects.filter(pk=webhook.pk, row_seq=webhook.row_seq, is_active=webhook.is_active)
    return same.exists()


def _send_next(turn: _Turn, put: Callable[[_Sent], None]) -> None:
    try:
        attempt = next(turn.attempts, None)
    except Exception:
        logger.exception("a delivery failed")
        attempt = Attempt(turn.batch.deliveries, "internal")
    put((turn, attempt))


def _write(holder: UUID, batch: Batch, attempt: Attempt) -> None:
    if attempt.error:
        logger.warning(
            "%d deliveries by %s failed: %s", len(attempt.deliveries), batch.channel, attempt.error
        )
    claims.write_attempt(holder, batch, attempt)
