"""One after the other: for limits that requests at the same moment would not see each other reach."""

from django.db import connection


def take_turn(lock: int) -> None:
    """Wait for the lock (a bigint of the caller's own) and hold it until the transaction ends.

    On SQLite a transaction that writes is alone anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
