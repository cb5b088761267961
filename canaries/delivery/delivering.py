"""Deliver notices: a thread for each channel, so that a slow one delays no other one."""

import logging
import time
from collections.abc import Iterable, Mapping
from threading import Thread
from typing import Final
from uuid import UUID, uuid4

import django.db

from canaries.delivery.claims import TURN, claim, due_channels, settle
from canaries.delivery.duties import queue_due
from canaries.delivery.sending import send
from canaries.documents import Channel, Notice
from canaries.sealed.journal import newest_number
from canaries.sealed.store import changing, read_incidents
from kernel.clock import database_now
from kernel.databases.counting import uncounted_statements
from kernel.databases.lock_waits import bounded
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)


_sending: Final = ProcessState(set[UUID])  # the channels that a thread of this process sends to


@uncounted_statements()
@bounded()
def deliver_notices() -> None:
    """Queue what is due, and start a thread for each channel with a due notice. Several workers may run it.

    Does not wait for the threads. Raises DocumentsAltered.
    """
    if newest_number() == 0:
        return  # before the first start of the watcher
    queue_due()
    sending = _sending.current
    for channel_id in due_channels(read_incidents(), database_now()):
        if channel_id not in sending:  # a thread may wait for the database
            sending.add(channel_id)
            Thread(target=_deliver, args=[channel_id, sending], name="notices").start()


def deliver(channel_id: UUID) -> None:
    """Send the notices of the channel, until a failure. Returns at once if another worker sends.

    The results of a claim are written together with the next claim. Raises DocumentsAltered.
    """
    # A thread begins no exchange later: a worker that stops has 30 s.
    holder, until = uuid4(), time.monotonic() + TURN.total_seconds()
    with changing() as change:
        claimed = claim(change, channel_id, holder)
    while claimed is not None:
        channel, notices = claimed
        errors = send_in_order(channel, notices, until)
        with changing() as change:
            settle(change, channel, holder, errors)
            may_continue = time.monotonic() < until
            claimed = claim(change, channel_id, holder) if may_continue else None


def send_in_order(channel: Channel, notices: Iterable[Notice], until: float) -> Mapping[UUID, str]:
    """The result of each attempt: the error, or "". The last one is the first failure, or the last before ``until``.

    ``until``: of the monotonic clock.
    """
    errors: dict[UUID, str] = {}
    for notice in notices:
        errors[notice.id] = send(channel, notice)
        if errors[notice.id] or time.monotonic() >= until:
            break
    return errors


@uncounted_statements()
def _deliver(channel_id: UUID, sending: set[UUID]) -> None:
    try:
        deliver(channel_id)
    except Exception:
        logger.exception("notices could not be delivered")
    finally:
        sending.discard(channel_id)
        django.db.connections.close_all()
