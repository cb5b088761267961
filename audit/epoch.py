"""The global security epoch: one number that every security-relevant change raises.

An answer computed from cached keys and rights remembers the epoch it was computed under. The transaction that
writes its audit row holds the epoch still and compares: a revocation that was acknowledged before can then
never be followed by an answer from the old state, whatever process computed it.

The lock is an advisory one. A plain re-read is not enough (tried: at every isolation level a stale answer left
after the revocation was acknowledged), and ``FOR SHARE`` on the row starves the administrator under load. On
SQLite ``BEGIN IMMEDIATE`` already admits one writer at a time.
"""

from datetime import datetime

from django.db import connection, transaction

from ciphercanary.clock import database_now
from ciphercanary.row_mac import IntegrityFailed

LOCK = int.from_bytes(b"cc-epoch")  # a bigint of our own among PostgreSQL's advisory locks


def read_epoch() -> int:
    """The present epoch. Whoever caches rows reads it *before* them, never after."""
    return _run("SELECT epoch FROM security_epoch WHERE id = 1")


def raise_epoch() -> int:
    """The next epoch, from the moment the surrounding transaction commits.

    The last step of a change: it waits for the answers in flight, and from here to the commit they wait.
    """
    _require_transaction()
    _lock("SELECT pg_advisory_xact_lock(%s)")
    return _run("UPDATE security_epoch SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch")


def hold_epoch() -> tuple[int, datetime]:
    """The epoch, which no change can raise until the surrounding transaction ends, and the database's clock."""
    _require_transaction()
    _lock("SELECT pg_advisory_xact_lock_shared(%s)")
    # A statement of its own: its snapshot must be younger than the lock, or it could read the epoch before
    # the change that made us wait.
    return read_epoch(), database_now()


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("the epoch is held and raised inside a transaction only")


def _lock(statement: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statement, [LOCK])


def _run(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    if row is None:
        raise IntegrityFailed("The security epoch has lost its row: somebody changed the database by hand.")
    epoch: int = row[0]
    return epoch
