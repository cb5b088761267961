"""Deliver notices: a thread for each channel, so that a slow one delays no other one."""

import logging
import time
from threading import Thread
from typing import Final
from uuid import UUID, uuid4

import django.db

from canaries.delivery.claims import claim, due_channels, settle
from canaries.delivery.duties import queue_due
from canaries.delivery.sending import send
from canaries.sealed.journal import newest_number
from canaries.sealed.store import changing, read_incidents
from kernel.clock import database_now
from kernel.databases.counting import uncounted_statements

logger = logging.getLogger(__name__)

_TURN_SECONDS: Final = 5.0  # a thread begins no exchange after this time: a worker that stops has 30 s


@uncounted_statements()
def deliver_notices() -> None:
    """Queue what is due, and start a thread for each channel with a due notice. Several workers may run it.

    Does not wait for the threads. Raises DocumentsAltered.
    """
    if newest_number() == 0:
        return  # before the first start of the watcher
    queue_due()
    for channel_id in due_channels(read_incidents(), database_now()):
        Thread(target=_deliver, args=[channel_id], name="notices").start()


def deliver(channel_id: UUID) -> None:
    """Send the notices of the channel one by one, until a failure. Returns at once if another worker sends.

    Each result is written before the next attempt, together with the lease of that. Raises DocumentsAltered.
    """
    holder, until = uuid4(), time.monotonic() + _TURN_SECONDS
    with changing() as change:
        claimed = claim(change, channel_id, holder)
    while claimed is not None:
        error = send(*claimed)
        with changing() as change:
            settle(change, claimed, holder, error)
            may_continue = time.monotonic() < until
            claimed = claim(change, channel_id, holder) if may_continue else None


@uncounted_statements()
def _deliver(channel_id: UUID) -> None:
    try:
        deliver(channel_id)
    except Exception:
        logger.exception("notices could not be delivered")
    finally:
        django.db.connections.close_all()
