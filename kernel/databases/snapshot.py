"""Reading a lot as of one moment, for as long as it takes, while others write."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Whatever is read inside stood in the database at one moment. Only for reading.

    Raises TransactionManagementError inside a transaction, which may have its snapshot already.
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("a snapshot begins outside any transaction")
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    with connection.cursor() as cursor:
        # Not atomic(): its BEGIN IMMEDIATE would keep every writer waiting.
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
