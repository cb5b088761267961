"""Two clocks. The database's decides expiry, lock-out and the order of the audit log."""

from datetime import UTC, datetime

from django.db import connection


def process_now() -> datetime:
    """Aware UTC, for what is shown or decided first: where it matters, the database's clock decides last."""
    return datetime.now(UTC)


def database_now() -> datetime:
    """Aware UTC, microseconds; the moment of the call, not of the transaction's start.

    SQLite has only milliseconds and runs inside this process: its clock is the process's.
    """
    if connection.vendor != "postgresql":
        return process_now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT of an expression has a row
    moment: datetime = row[0]
    return moment.astimezone(UTC)
