"""A log of several segments, quickly: large bundles of operations, with changes, refusals and several writers between."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from audit.log.events import Actor, Event, Outcome
from kernel.clock import database_now
from tests.log_entries import insert_events
from tests.tampering.altering import execute
from tests.tampering.writing import OPERATIONS, Log, rotate_keys, sequence, sign

_IN_A_BUNDLE = 2_048
_REFUSED = 40  # one of this many operations is refused
_PAUSE = 0.05  # seconds between two bundles of the writer


def fill(entries: int, seed: int) -> None:
    """Write at least ``entries`` entries, sequenced and signed."""
    log = Log(seed)
    while log.written < entries:
        log.change(rows=2)
        log.elsewhere(2)
        log.operate(20)
        log.beat()
        for _ in range(8):
            insert_events([_operation(log) for _ in range(_IN_A_BUNDLE)], at=database_now())
            log.written += _IN_A_BUNDLE
        sequence()
        sign()
    rotate_keys()
    sequence()
    sign()
    execute("ANALYZE")  # as an autovacuum does; without it, PostgreSQL joins the new tables row by row


def _operation(log: Log) -> tuple[Event, Actor]:
    outcome = Outcome.DENIED if log.chance.randrange(_REFUSED) == 0 else Outcome.OK
    event = Event(
        action=OPERATIONS[log.chance.randrange(2)],
        object_type="key",
        object_id=log.chance.choice(log.keys),
        object_version=1,
        outcome=outcome,
        code="" if outcome == Outcome.OK else "not_found",
        size=64,
        meta={"algorithm": "aes-256-gcm"},
    )
    return event, log.chance.choice(log.actors)


@contextmanager
def writing(seed: int) -> Iterator[list[int]]:
    """Another thread writes operations all the time. Yields a list with their number."""
    ends, written = threading.Event(), [0]

    def write() -> None:
        log = Log(seed)
        while not ends.wait(_PAUSE):
            insert_events([_operation(log) for _ in range(5)], at=database_now())
            written[0] += 5
        connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        ends.set()
        thread.join()
