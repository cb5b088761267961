"""Two clocks. The database's clock decides expiry, lock-out and the order of the audit log.

A process estimates it without a query: every result that contains the database's time sets the estimate, and the
monotonic clock advances it in between. So a wrong clock of a node decides nothing.
"""

import math
import time
from datetime import UTC, datetime

from django.db import connection

from kernel.demo_clock import behind
from kernel.runtime import ProcessState


class _Estimate:
    """``ahead``: the database's clock (POSIX seconds) minus the monotonic clock; None before the first reading."""

    ahead: float | None = None


_estimate = ProcessState(_Estimate)


def process_now() -> datetime:
    """Aware UTC, for display and preliminary decisions: the database's time or earlier, apart from drift since a result.

    The database's clock makes the final decisions. On SQLite, and before this process has read the database's clock, it is
    the clock of the node.
    """
    ahead, distance = _estimate.current.ahead, behind()
    now = datetime.now(UTC) if ahead is None else datetime.fromtimestamp(time.monotonic() + ahead, UTC)
    return now - distance if distance else now  # the fast path calls this several times for each request


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
    note_database_time(timestamp.timestamp())
    return timestamp.astimezone(UTC) - behind()


def note_database_time(seconds: float) -> None:
    """Set the estimate. ``seconds`` (POSIX) has just arrived from PostgreSQL. Every result with the time calls it."""
    _estimate.current.ahead = seconds - time.monotonic()


def require_reading() -> None:
    """Read the database's clock unless this process has done so. Call it before a decision that no query precedes."""
    if _estimate.current.ahead is None:
        database_now()


def clock_skew() -> float:
    """Seconds by which the node's clock is ahead of the database's; NaN if only one of them is known."""
    ahead = _estimate.current.ahead
    return math.nan if ahead is None else time.time() - time.monotonic() - ahead


def actual_time(at: datetime) -> datetime:
    """A time of this thread's clock as other processes have it. The two differ only in ``load_demo``."""
    return at + behind()
