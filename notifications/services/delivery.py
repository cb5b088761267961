"""The periodic delivery: distribute new notifications, claim what is due, send it in threads, write the results."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings

from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.mac import Mac
from kernel.trust import kek
from kernel.trust.kek_records import KekUnavailable
from kernel.trust.row_mac import IntegrityFailed
from notifications.channels import Attempt, Batch, EmailBatch, WebhookBatch
from notifications.models import Delivery, Webhook
from notifications.services import claims
from notifications.services.distribution import distribute
from notifications.targets import Target

logger = logging.getLogger(__name__)

# A run begins no request after this time. Each request has its own limit, so a run ends soon afterwards.
RUN_SECONDS: Final = 10.0
THREADS: Final = 8

type Result = tuple[Batch, Attempt] | None
"""None: one of the threads has ended."""


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
    given = settings.CC_NOTIFICATIONS
    if not (given.has_email and address in given.emails):
        claims.fail(holder, rows, "not_configured")
        return None
    return EmailBatch(rows, address)


def _webhook_batch(holder: UUID, webhook: Webhook, rows: list[Delivery]) -> WebhookBatch | None:
    try:
        secret = kek.unwrap_row(webhook.check_mac())
        return WebhookBatch(rows, Target.parse(webhook.url), Mac(secret))
    except (IntegrityFailed, UnwrapFailed, KekUnavailable):
        logger.exception("a webhook cannot be used: its row or its key was altered")
        claims.fail(holder, rows, "integrity_failed")
        return None


def _send(batches: list[Batch], holder: UUID) -> None:
    """Send in threads. This thread alone uses the database."""
    results: SimpleQueue[Result] = SimpleQueue()
    until = time.monotonic() + RUN_SECONDS
    with ThreadPoolExecutor(THREADS, thread_name_prefix="delivery") as pool:
        for batch in batches:
            pool.submit(_send_batch, batch, until, results.put)
        running = len(batches)
        while running:
            result = results.get()
            if result is None:
                running -= 1
            else:
                _write(holder, *result)


def _send_batch(batch: Batch, until: float, put: Callable[[Result], None]) -> None:
    try:
        for attempt in batch.send(until):
            put((batch, attempt))
    except Exception:
        logger.exception("a delivery failed")
        put((batch, Attempt(batch.deliveries, "internal")))
    finally:
        put(None)


def _write(holder: UUID, batch: Batch, attempt: Attempt) -> None:
    if attempt.error:
        logger.warning(
            "%d deliveries by %s failed: %s", len(attempt.deliveries), batch.channel, attempt.error
        )
    claims.write_attempt(holder, batch, attempt)
