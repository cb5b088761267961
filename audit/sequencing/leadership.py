"""Leadership: one process at a time appends to the tree, signs it, and changes the signing keys."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import OperationalError, connection, transaction

from kernel.databases import lock_waits

LOCK = int.from_bytes(b"cc-seqnc")  # our key among PostgreSQL's advisory locks, a bigint
LOCK_FILE = "sequencer.lock"
_TICK = 0.02  # seconds between two attempts to lock the file: flock itself knows no limit


@contextmanager
def leading(*, waits: bool = False) -> Iterator[bool]:
    """A transaction. Yields whether this process leads in it. ``waits``: wait if another process leads, as long
    as for any other lock. Raises django.db.OperationalError after that.

    The lock ends with the transaction, so a killed process no longer leads.
    """
    if connection.vendor == "postgresql":
        with transaction.atomic(durable=True):
            yield _lock_postgresql(waits=waits)
        return
    # BEGIN IMMEDIATE also admits one writer, but the others would wait for it, or fail after 20 seconds.
    with os.fdopen(os.open(settings.CC_HOME / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)) as file:
        if not _lock_file(file.fileno(), lock_waits.sqlite_seconds() if waits else 0.0):
            if waits:
                raise OperationalError("another process has led for too long")
            yield False
            return
        with transaction.atomic(durable=True):
            yield True


def _lock_postgresql(*, waits: bool) -> bool:
    with connection.cursor() as cursor:
        if waits:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        row = cursor.fetchone()
    return bool(row and row[0])


def _lock_file(file: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_TICK)
        else:
            return True
