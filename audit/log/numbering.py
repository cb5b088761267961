"""Who writes, and the number of the next row: what makes a removed row visible.

A writer has one transaction at a time, so its numbers are dense whatever is rolled back, to a savepoint or
altogether, and no two writers wait for each other. Each thread is one for what it records in the transaction
of a change (``max + 1`` there); the thread of group commits counts in memory (``Numbering``).
"""

import os
import threading
import uuid

from django.db import transaction
from django.db.models import Max

from audit.log.canonical import MAX_INTEGER
from audit.models import AuditLog

_local = threading.local()
_tails: dict[uuid.UUID, int] = {}
_lock = threading.Lock()


def current_writer() -> uuid.UUID:
    """The id of this thread of this process; a forked child does not inherit its parent's."""
    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.writer, _local.committed = os.getpid(), uuid.uuid4(), 0
    writer: uuid.UUID = _local.writer
    return writer


def next_wseq(writer: uuid.UUID) -> int:
    """The number after this thread's last one, from 1, as this transaction sees it.

    A number that was committed is never given again: were the row removed before it is sequenced, the next one
    would take its place, and there would be no gap.
    """
    # Somebody may have altered a number to one that no entry can hold, or on SQLite to a text, which is above any number.
    own = AuditLog.objects.filter(writer=writer, wseq__lt=MAX_INTEGER)
    last = int(own.aggregate(last=Max("wseq"))["last"] or 0)
    wseq: int = max(last, _local.committed) + 1
    transaction.on_commit(lambda: _commit(writer, wseq))
    return wseq


def _commit(writer: uuid.UUID, wseq: int) -> None:
    _local.committed = max(wseq, _local.committed)
    note_committed(writer, wseq)


class Numbering:
    """The numbers of a writer that nobody else writes under, without asking the database."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin as another writer: the outcome of a commit is unknown, and so which number was the last."""
        self.writer, self.last = uuid.uuid4(), 0

    def advance(self, rows: int) -> None:
        """So many rows have been committed. A writer is told of once he has written something."""
        if rows:
            self.last += rows
            note_committed(self.writer, self.last)


def note_committed(writer: uuid.UUID, wseq: int) -> None:
    """The writer has committed its row ``wseq``, and nothing but that number tells so yet."""
    with _lock:
        _tails[writer] = max(wseq, _tails.get(writer, 0))


def forget_committed(writer: uuid.UUID, wseq: int) -> None:
    """Nothing needs to be told of the writer unless it has gone beyond ``wseq``."""
    with _lock:
        if _tails.get(writer) == wseq:
            del _tails[writer]


def take_tails() -> dict[uuid.UUID, int]:
    """The last committed number of each writer that has committed since the last call."""
    with _lock:
        tails = dict(_tails)
        _tails.clear()
    return tails
