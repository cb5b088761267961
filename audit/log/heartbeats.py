"""The end of each writer's sequence, on record: without it, the last rows of a writer that falls silent could be
removed in the moment before they are sequenced, and no later number would show the gap.

A process that lasts says about twice a minute, if anything was written since, how far each of its writers has
come. A command ends before that: what it wrote is covered by the tree within about a second.
"""

import logging
import threading

import django.db

from audit import actions
from audit.log import numbering
from audit.log.events import Actor, Event, Source
from audit.services import record_alone
from kernel.errors import DomainError

logger = logging.getLogger(__name__)

PERIOD = 30.0  # seconds
ACTOR = Actor.system("audit writer", Source.SCHEDULER)


def beat() -> None:
    """Record how far the writers have come that wrote since the last time; never raises."""
    tails = numbering.take_tails()
    if not tails:
        return
    meta = {"writers": {str(writer): wseq for writer, wseq in tails.items()}}
    try:
        own = record_alone(Event(action=actions.WRITER_HEARTBEAT, meta=meta), ACTOR)
    except DomainError:
        logger.exception("a heartbeat of the audit writers could not be recorded")
        for writer, wseq in tails.items():
            numbering.note_committed(writer, wseq)
    else:
        # Its own row is the one tail nobody tells of, or an idle process would beat for ever.
        numbering.forget_committed(own.writer, own.wseq)


class Heart:
    """Beats in a thread of a process that lasts, from its making until ``stop``, which beats once more."""

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
            is_last = self._ends.wait(PERIOD)
            beat()
            django.db.connections.close_all()
