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

logger = logging.getLogger(__name__)

LONGEST = 2.0  # seconds


def catch_up() -> None:
    """Make the entries of everything that was committed before the call rows of the log, within ``LONGEST``.

    One cheap query if nothing waits. Call it before reading, outside a transaction. If entries cannot be sequenced, the
    log is read without them: never raises django.db.Error.
    """
    newest: int | None = waiting().order_by().aggregate(newest=Max("id"))["newest"]
    if newest is None:
        return
    until = time.monotonic() + LONGEST
    try:
        with lock_waits.waiting_until(min(until, lock_waits.deadline())):
            while _is_waiting(newest) and time.monotonic() < until:
                sequence_step(waits=True)
    except (DomainError, django.db.Error):
        logger.warning("the newest entries of the audit log are not sequenced yet", exc_info=True)


def _is_waiting(newest: int) -> bool:
    return AuditBundle.objects.filter(rejected_at__isnull=True, id__lte=newest).exists()
