"""Serialize requests that check a limit. Otherwise concurrent requests would not see each other reach it."""

from django.db import connection


def take_turn(lock: int) -> None:
    """Wait for the lock (a bigint of the caller's choice) and hold it until the transaction ends.

    SQLite needs no lock, because it has one writing transaction at a time.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
