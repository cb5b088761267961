"""Long reads of one state of the database, while others write."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_snapshot() -> Iterator[None]:
    """All reads inside the block see the same state of the database. For reading only.

    Raises TransactionManagementError inside a transaction, which may already have its snapshot.
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("a snapshot begins outside any transaction")
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    with connection.cursor() as cursor:
        # Not atomic(): its BEGIN IMMEDIATE would block every writer.
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
