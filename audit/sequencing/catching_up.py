"""Read your own writes: entries are rows of the log only once they are sequenced, up to a second later."""

import logging
import time

import django.db
from django.db.models import Max

from audit.models import AuditBundle
from audit.sequencing.step import sequence_step
from audit.sequencing.timestamps import waiting
from kernel.databases import lock_waits
from kernel.errors import DomainError
from kernel.freshness.epoch import newest_bundle

logger = logging.getLogger(__name__)

LONGEST = 2.0  # seconds


def catch_up() -> None:
    """Make the entries of everything that was committed before the call rows of the log, within ``LONGEST``.

    One cheap query if nothing waits. Call it before reading, outside a transaction. If entries cannot be sequenced, the
    log is read without them: never raises django.db.Error.
    """
    newest: int | None = waiting().order_by().aggregate(newest=Max("id"))["newest"]
    if newest is not None:
        _catch_up(newest)


def catch_up_with_request() -> None:
    """Like ``catch_up``, for what was committed before the request read its stamp, which was after it arrived."""
    newest = newest_bundle.get()
    newest_bundle.set(None)  # the thread may serve another request in this context
    if newest is None:
        catch_up()
    elif newest:
        _catch_up(newest)


def _catch_up(newest: int) -> None:
    until = time.monotonic() + LONGEST
    try:
        with lock_waits.waiting_until(min(until, lock_waits.deadline())):
            while _is_waiting(newest) and time.monotonic() < until:
                sequence_step(waits=True)
    except (DomainError, django.db.Error):
        logger.warning("the newest entries of the audit log are not sequenced yet", exc_info=True)


def _is_waiting(newest: int) -> bool:
    return AuditBundle.objects.filter(rejected_at__isnull=True, id__lte=newest).exists()
