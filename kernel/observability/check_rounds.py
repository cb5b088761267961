"""Checks with a deadline, for endpoints that must answer during any fault.

A check may hang: the database takes a connection and says nothing, another session holds a table. So checks run in a
thread of their own, on a connection of their own outside the pool, and a caller waits for them until a deadline. One
round runs at a time, and all callers share its results for a second.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from kernel.databases.lock_waits import milliseconds

logger = logging.getLogger(__name__)

SECONDS: Final = 0.8
FRESH: Final = 1.0  # seconds that a finished round is shared
LOCK_SECONDS, STATEMENT_SECONDS = 0.4, 0.6
FORGET_SECONDS: Final = 10.0  # more than the statements of a round may take together


class _Round:
    def __init__(self) -> None:
        self.began = time.monotonic()
        self.found: dict[str, Any] = {}
        self.is_done = threading.Event()


class CheckRounds:
    """Named checks that run in their order, in one thread. A check that raises has no result.

    ``seconds``: how long a caller waits for a round, counted from its beginning.
    """

    def __init__(self, checks: Mapping[str, Callable[[], Any]], seconds: float = SECONDS) -> None:
        self._checks = checks
        self._seconds = seconds
        self._lock = threading.Lock()
        self._round: _Round | None = None
        self._connection: BaseDatabaseWrapper | None = None

    def begin(self) -> None:
        """Start a round without waiting for it: the first one connects and loads what later ones find in memory."""
        if not connection.in_atomic_block:
            self._current()

    def results(self) -> Mapping[str, Any]:
        """The results of the present round that are there in time, by name."""
        if connection.in_atomic_block:  # inside the transaction of a test, which no other thread can read
            inline = _Round()
            self._run_checks(inline)
            return inline.found
        current = self._current()
        current.is_done.wait(max(0.0, current.began + self._seconds - time.monotonic()))
        return dict(current.found)

    def forget(self) -> None:
        """Drop the results and the connection, once a round that still runs has ended."""
        with self._lock:
            is_idle = self._round is None or self._round.is_done.wait(FORGET_SECONDS)
            if is_idle and self._connection is not None:
                self._connection.close()
            self._round = None

    def _current(self) -> _Round:
        with self._lock:
            current = self._round
            if current is None or (current.is_done.is_set() and time.monotonic() - current.began >= FRESH):
                current = self._round = _Round()
                threading.Thread(target=self._run, args=(current,), name="checks", daemon=True).start()
            return current

    def _run(self, current: _Round) -> None:
        try:
            if self._connection is None:
                self._connection = _own_connection()
            connections[DEFAULT_DB_ALIAS] = self._connection  # of this thread only
            self._connection.close_if_unusable_or_obsolete()
            self._run_checks(current)
        finally:
            current.is_done.set()

    def _run_checks(self, current: _Round) -> None:
        for name, check in self._checks.items():
            try:
                current.found[name] = check()
            except Exception as error:
                logger.warning("the check %r failed", name, exc_info=error)


def _own_connection() -> BaseDatabaseWrapper:
    """A connection outside the pool that waits for nothing for long. The threads of rounds use it in turn."""
    own: BaseDatabaseWrapper = connections.create_connection(DEFAULT_DB_ALIAS)
    options = dict(own.settings_dict["OPTIONS"])
    options.pop("pool", None)
    if settings.CC_SQLITE:
        options["timeout"] = LOCK_SECONDS
    else:
        bounds = {"lock_timeout": LOCK_SECONDS, "statement_timeout": STATEMENT_SECONDS}
        words = [f" -c {name}={milliseconds(seconds)}" for name, seconds in bounds.items()]
        # A server that is gone without a word is given up after seconds, not after the minutes of TCP.
        options |= {"options": options.get("options", "") + "".join(words), "connect_timeout": 2}
        options |= {
            "tcp_user_timeout": 3000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
        }
    own.settings_dict = own.settings_dict | {"OPTIONS": options, "CONN_MAX_AGE": None}
    own.inc_thread_sharing()
    return own
