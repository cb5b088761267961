"""Heartbeats record the end of each writer's sequence.

Without them, the last rows of a writer that falls silent could be removed before they are sequenced, and no later
number would reveal the gap. A long-running process records about twice a minute how far each of its writers has come,
if they wrote anything since. A command ends sooner: the tree covers its rows within about a second.
"""

import logging
import threading

import django.db

from audit import actions
from audit.log import numbering
from audit.log.events import Actor, Event, Source
from audit.services.recording import record_alone
from kernel.errors import DomainError

logger = logging.getLogger(__name__)

_PERIOD = 30.0  # seconds
_ACTOR = Actor.system("audit writer", Source.SCHEDULER)


def beat() -> None:
    """Record how far the writers have come that wrote since the last call. Never raises."""
    tails = numbering.take_tails()
    if not tails:
        return
    meta = {"writers": {str(writer): wseq for writer, wseq in tails.items()}}
    try:
        own = record_alone(Event(action=actions.WRITER_HEARTBEAT, meta=meta), _ACTOR)
    except DomainError:
        logger.exception("a heartbeat of the audit writers could not be recorded")
        for writer, wseq in tails.items():
            numbering.note_committed(writer, wseq)
    else:
        # The heartbeat's own row needs no heartbeat; otherwise an idle process would send them forever.
        numbering.forget_committed(own.writer, own.wseq)


class Heartbeat:
    """Sends heartbeats in a thread of a long-running process until ``stop``, which sends a last one."""

    def __init__(self) -> None:
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._ends.wait(_PERIOD)
            beat()
            django.db.connections.close_all()
