"""Limits of searches in the log: one at a time per user, and ``SEARCH_SECONDS``."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from audit.errors import SearchTimeout
from kernel.errors import Throttled
from kernel.identities import Identity
from kernel.observability.metrics import throttled_total
from kernel.runtime import ProcessState

SEARCH_SECONDS = 5
_STEPS = 10_000  # steps of SQLite's virtual machine between two checks of the clock: well below a millisecond


class _Searches:
    """The users whose searches run in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.callers: set[Identity] = set()


_searches = ProcessState(_Searches)


def search_limits(caller: Identity) -> AbstractContextManager[None]:
    """Limits for the statements of one search. Use it outside a transaction.

    Raises Throttled if another search of the caller runs: in any process on PostgreSQL, in this one on SQLite, which has
    one web process. Raises SearchTimeout after ``SEARCH_SECONDS``, per statement on PostgreSQL and in total on SQLite.
    """
    return _on_postgresql(caller) if connection.vendor == "postgresql" else _on_sqlite(caller)


@contextmanager
def _on_postgresql(caller: Identity) -> Iterator[None]:
    # An advisory lock ends with its transaction, so a killed process leaves none behind.
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            # Parallel workers would take all cores for one caller, and their start is slower than a usual search. A
            # bitmap collects and sorts all entries, but usually the newest few contain enough matches.
            "SELECT pg_try_advisory_xact_lock(%s), set_config('statement_timeout', %s, true), "
            "set_config('max_parallel_workers_per_gather', '0', true), set_config('enable_bitmapscan', 'off', true)",
            [_lock_of(caller), f"{round(SEARCH_SECONDS * 1000)}ms"],
        )
        if not cursor.fetchone()[0]:
            raise _busy()
        try:
            yield
        except OperationalError as error:
            if isinstance(error.__cause__, QueryCanceled):
                raise SearchTimeout(SEARCH_SECONDS) from None
            raise


def _lock_of(caller: Identity) -> int:
    # The last half of a random UUID. As a signed number it is negative, and the application's other locks are not.
    return -1 if caller.id is None else int.from_bytes(caller.id.bytes[8:], signed=True)


@contextmanager
def _on_sqlite(caller: Identity) -> Iterator[None]:
    searches = _searches.current
    with searches.lock:
        if caller in searches.callers:
            raise _busy()
        searches.callers.add(caller)
    try:
        with _interrupted_when_late():
            yield
    finally:
        with searches.lock:
            searches.callers.remove(caller)


@contextmanager
def _interrupted_when_late() -> Iterator[None]:
    connection.ensure_connection()
    deadline = time.monotonic() + SEARCH_SECONDS
    connection.connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise SearchTimeout(SEARCH_SECONDS) from None
        raise
    finally:
        connection.connection.set_progress_handler(None, 0)


def _busy() -> Throttled:
    throttled_total.labels(scope="search").inc()
    return Throttled("Another of your searches is still running. Wait until it ends.", retry_after=1)
