"""Writers and the sequence numbers of their rows, which reveal a removed row.

A writer has one transaction at a time. So its numbers have no gaps, even after a rollback of a savepoint or of the
transaction, and no two writers wait for each other. Each thread is a writer for records in the transaction of a
change (``max + 1`` there). The writers of group commits count in memory (``Numbering``).
"""

import threading
import uuid

from django.db import connection, transaction

from audit.log.canonical import MAX_INTEGER
from audit.log.raw_rows import as_stored
from audit.models import AuditLog
from audit.models.hashed import hash_of
from kernel.databases.commit_waits import unconfirmed_here
from kernel.runtime import ProcessState

_LAST = (
    "SELECT max(first + entries - 1) FROM audit_bundles WHERE writer = %s AND first < %s UNION ALL "
    "SELECT max(wseq) FROM audit_logs WHERE {} = {} AND writer = %s AND wseq < %s"
)


class _ThreadWriter(threading.local):
    """The writer of each thread, and the last number that it has committed."""

    def __init__(self) -> None:
        self.id = uuid.uuid4()
        self.committed = 0
        self.unconfirmed = unconfirmed_here()


class _Tails:
    """The last committed numbers of writers that have committed since the last ``take``."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.of: dict[uuid.UUID, int] = {}


_own = ProcessState(_ThreadWriter)
_tails = ProcessState(_Tails)


def current_writer() -> uuid.UUID:
    """The writer id of this thread and process. After a commit with an unknown outcome, it is another one.

    Otherwise two entries could get the same number, because the first one may become durable later.
    """
    own = _own.current
    if own.unconfirmed != (unconfirmed := unconfirmed_here()):
        own.id, own.committed, own.unconfirmed = uuid.uuid4(), 0, unconfirmed
    return own.id


def next_wseq(writer: uuid.UUID) -> int:
    """The number after this thread's last one, from 1, as this transaction sees it.

    A committed number is never reused. Otherwise, if its row is removed before it is sequenced, the next row would take
    its place without a gap.
    """
    # Tampering may set a number that no entry can have or, on SQLite, a text, which sorts above any number.
    stored, column = as_stored(str(writer)), AuditLog._meta.get_field("writer")
    statement = _LAST.format(hash_of(column, "writer"), hash_of(column, "%s"))
    with connection.cursor() as cursor:
        cursor.execute(statement, (stored, MAX_INTEGER, stored, stored, MAX_INTEGER))
        last = max(int(number or 0) for (number,) in cursor.fetchall())
    wseq = max(last, _own.current.committed) + 1
    transaction.on_commit(lambda: _commit(writer, wseq))
    return wseq


def _commit(writer: uuid.UUID, wseq: int) -> None:
    own = _own.current
    own.committed = max(wseq, own.committed)
    note_committed(writer, wseq)


class Numbering:
    """The numbers of an exclusive writer, counted without queries."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Continue as another writer, because a commit with an unknown outcome leaves the last number unknown."""
        self.writer, self.last = uuid.uuid4(), 0
        self.name = str(self.writer)

    def advance(self, rows: int) -> None:
        """Record ``rows`` committed rows. A writer is announced after its first write."""
        if rows:
            self.last += rows
            note_committed(self.writer, self.last)


def note_committed(writer: uuid.UUID, wseq: int) -> None:
    """The writer has committed its row ``wseq``. The next heartbeat reports it."""
    tails = _tails.current
    with tails.lock:
        tails.of[writer] = max(wseq, tails.of.get(writer, 0))


def forget_committed(writer: uuid.UUID, wseq: int) -> None:
    """The next heartbeat need not report the writer, unless it has gone beyond ``wseq``."""
    tails = _tails.current
    with tails.lock:
        if tails.of.get(writer) == wseq:
            del tails.of[writer]


def take_tails() -> dict[uuid.UUID, int]:
    """Remove and return the last committed numbers of writers that have committed since the last call."""
    tails = _tails.current
    with tails.lock:
        taken, tails.of = tails.of, {}
    return taken
