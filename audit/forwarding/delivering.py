"""Deliver to one log target: read the next entries, send them, and save the position after the acknowledgement."""

import logging
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

import django.db
from django.db import transaction

from audit.errors import SegmentUnreadable
from audit.forwarding import leases, positions
from audit.forwarding.batches import MOST_ENTRIES, next_batch
from audit.forwarding.leases import LeaseLost
from audit.forwarding.receivers import Receiver, error_text, receiver_of
from audit.forwarding.stopping import REASON, alarm_of
from audit.forwarding.trials import trial_of
from audit.models import LogTarget
from audit.services.alarms import raise_alarms
from kernel.clock import database_now
from kernel.crypto.errors import UnwrapFailed
from kernel.errors import Invalid
from kernel.http.outgoing import ExchangeFailed
from kernel.trust.kek_records import KekUnavailable
from kernel.trust.row_mac import IntegrityFailed

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.5
_UNREADABLE: Final = (IntegrityFailed, SegmentUnreadable, ValueError)  # ValueError: a tile is missing

type MayEnd = Callable[[bool], bool]
"""Whether to end now. The argument: there is no new entry."""


def deliver(target_id: UUID, holder: UUID, may_end: MayEnd) -> None:
    """Deliver until ``may_end``, a failure, or a change of the target. Returns at once if another worker delivers.

    Failures are written to the row of the target. Raises django.db.Error.
    """
    target = leases.claim(target_id, holder)
    if target is None:
        return
    try:
        _deliver_leased(target, may_end)
    except LeaseLost:
        pass
    except ExchangeFailed as failure:
        leases.write_failure(target, error_text(failure.reason))
    except django.db.Error:
        raise  # the failure could not be written either
    except Exception:
        logger.exception("the delivery to a log target failed")
        leases.write_failure(target, error_text("internal"))
    finally:
        leases.release(target)


def _deliver_leased(target: LogTarget, may_end: MayEnd) -> None:
    """Raises ExchangeFailed and LeaseLost."""
    receiver = _receiver_of(target)
    try:
        if target.test_requested_at is not None:
            _test(target, receiver)
        if not target.is_due(database_now()):
            return
        if not positions.is_in_tree(target):
            with transaction.atomic():
                leases.stop(target, REASON)
                raise_alarms([alarm_of(target)])
            return
        while _deliver_next(target, receiver, may_end):
            pass
    finally:
        receiver.close()


def _deliver_next(target: LogTarget, receiver: Receiver, may_end: MayEnd) -> bool:
    """Whether to go on. Raises ExchangeFailed and LeaseLost."""
    try:
        # Fewer entries after each failure: the receiver may be too slow for many, or refuse one.
        batch = next_batch(target, max(1, MOST_ENTRIES >> target.failures))
    except _UNREADABLE as error:
        logger.exception("the entries for a log target cannot be read")
        raise ExchangeFailed("log_unreadable") from error
    if batch is None:
        if may_end(True):
            return False
        time.sleep(_POLL_SECONDS)
        return True
    raise_alarms(batch.alarms)
    leases.renew(target)
    if batch.messages:
        receiver.send(batch.messages)
    leases.advance(target, batch)
    return not may_end(False)


def _receiver_of(target: LogTarget) -> Receiver:
    """Raises ExchangeFailed."""
    try:
        return receiver_of(target.check_mac())
    except (IntegrityFailed, Invalid) as error:
        raise ExchangeFailed("row_altered") from error
    except (UnwrapFailed, KekUnavailable) as error:
        raise ExchangeFailed("credential_unreadable") from error


def _test(target: LogTarget, receiver: Receiver) -> None:
    error = ""
    try:
        receiver.send([trial_of(target)])
    except ExchangeFailed as failure:
        error = error_text(failure.reason)
    leases.write_test(target, error)
