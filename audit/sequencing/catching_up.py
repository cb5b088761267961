"""Read your own writes: entries are rows of the log only once they are sequenced, up to a second later."""

import logging
import threading
import time
from typing import Any

import django.db
from django.db.models import Max

from audit.models import AuditBundle
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.timestamps import waiting
from kernel.databases import commit_waits, lock_waits
from kernel.errors import DomainError
from kernel.freshness.epoch import newest_bundle
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

LONGEST = 2.0  # seconds
BEHIND_ANOTHER = 0.5  # seconds, from the time when that one began: a step usually takes less


class _Turn:
    """One reader of this process catches up at a time. ``began``: when it got the lock (time.monotonic())."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.began = 0.0


_turn = ProcessState(_Turn)


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
    until = min(time.monotonic() + LONGEST, lock_waits.deadline())
    turn = _turn.current
    # If the reader before cannot sequence, the others do not wait as long: they would occupy every thread.
    if commit_waits.are_overdue() or not turn.lock.acquire(timeout=_seconds_behind(turn.began)):
        logger.warning("the newest entries of the audit log are not sequenced yet")
        return
    try:
        turn.began = time.monotonic()
        with lock_waits.waiting_until(until):
            while _is_waiting(newest) and time.monotonic() < until:
                sequence_step(waits=True)
    except (DomainError, django.db.Error):
        logger.warning("the newest entries of the audit log are not sequenced yet", exc_info=True)
    finally:
        turn.lock.release()


def _seconds_behind(began: float) -> float:
    return max(began + BEHIND_ANOTHER - time.monotonic(), 0.0)


def _is_waiting(newest: int) -> bool:
    return AuditBundle.objects.filter(rejected_at__isnull=True, id__lte=newest).exists()


class ShowsLog:
    """A page or an API view that shows facts of the log, with what was done just before. It goes before the base class of the view. Reading methods catch up once the caller is admitted."""

    def _admit(self, request: Any, **kwargs: Any) -> Any:
        refusal = super()._admit(request, **kwargs)  # type: ignore[misc]  # of PageView and ApiView
        if refusal is None and request.method in {"GET", "HEAD"}:
            catch_up_with_request()
        return refusal
