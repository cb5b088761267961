"""Two clocks. The database's clock decides expiry, lock-out and the order of the audit log."""

from datetime import UTC, datetime

from django.db import connection

from kernel.demo_clock import behind


def process_now() -> datetime:
    """Aware UTC, for display and preliminary decisions. The database's clock makes the final ones."""
    return datetime.now(UTC) - behind()


def database_now() -> datetime:
    """Aware UTC with microseconds: the time of the call, not of the start of the transaction.

    SQLite has only milliseconds and runs inside this process, so this uses the process's clock.
    """
    if connection.vendor != "postgresql":
        return process_now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT of an expression has a row
    timestamp: datetime = row[0]
    return timestamp.astimezone(UTC) - behind()


def actual_time(at: datetime) -> datetime:
    """A time of this thread's clock as other processes have it. The two differ only in ``load_demo``."""
    return at + behind()
