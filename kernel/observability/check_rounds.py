"""Checks with a deadline, for endpoints that must respond during any fault.

A check may hang: the database accepts a connection and never responds, or another session locks a table. Therefore
checks run in a separate thread, on a separate connection outside the pool, and callers wait for them until a
deadline. One round runs at a time, and all callers share its results for a second.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from kernel.databases import commit_waits
from kernel.databases.lock_waits import milliseconds

logger = logging.getLogger(__name__)

SECONDS: Final = 0.8
FRESH: Final = 1.0  # seconds for which a finished round is shared
_LOCK_SECONDS, _STATEMENT_SECONDS = 0.4, 0.6
_CLOSE_SECONDS: Final = 10.0  # more than the statements of a round may take together


class _Round:
    def __init__(self) -> None:
        self.began = time.monotonic()
        self.found: dict[str, Any] = {}
        self.is_done = threading.Event()


class CheckRounds:
    """Named checks that run in order, in one thread. A check that raises has no result.

    ``seconds``: how long a caller waits for a round, counted from the start of the round.
    """

    def __init__(self, checks: Mapping[str, Callable[[], Any]], seconds: float = SECONDS) -> None:
        self._checks = checks
        self._seconds = seconds
        self._lock = threading.Lock()
        self._round: _Round | None = None
        self._connection: BaseDatabaseWrapper | None = None

    def begin(self) -> None:
        """Start a round without waiting for it: the first round connects and warms caches for later ones."""
        if not connection.in_atomic_block:
            self._current()

    def results(self, seconds: float | None = None) -> Mapping[str, Any]:
        """The results of the current round that are available in time, by name. ``seconds`` replaces the usual wait."""
        if connection.in_atomic_block:  # inside the transaction of a test, which no other thread can read
            inline = _Round()
            self._run_checks(inline)
            return inline.found
        current = self._current()
        until = current.began + (self._seconds if seconds is None else seconds)
        current.is_done.wait(max(0.0, until - time.monotonic()))
        return dict(current.found)

    def close(self) -> None:
        """Drop the results and the connection after the current round has ended."""
        with self._lock:
            is_idle = self._round is None or self._round.is_done.wait(_CLOSE_SECONDS)
            if is_idle and self._connection is not None:
                self._connection.close()
            self._round = None

    def _current(self) -> _Round:
        with self._lock:
            current = self._round
            if current is None or (current.is_done.is_set() and time.monotonic() - current.began >= FRESH):
                current = _Round()
                threading.Thread(target=self._run, args=(current,), name="checks", daemon=True).start()
                self._round = current  # now that it runs: one that did not start would never be done
            return current

    def _run(self, current: _Round) -> None:
        try:
            if self._connection is None:
                self._connection = _own_connection()
            connections[DEFAULT_DB_ALIAS] = self._connection  # of this thread only
            self._connection.close_if_unusable_or_obsolete()
            with commit_waits.limited_to(_STATEMENT_SECONDS):
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
    """A connection outside the pool with short timeouts. The threads of rounds use it in turn."""
    own: BaseDatabaseWrapper = connections.create_connection(DEFAULT_DB_ALIAS)
    options = dict(own.settings_dict["OPTIONS"])
    options.pop("pool", None)
    if settings.CC_SQLITE:
        options["timeout"] = _LOCK_SECONDS
    else:
        bounds = {"lock_timeout": _LOCK_SECONDS, "statement_timeout": _STATEMENT_SECONDS}
        words = [f" -c {name}={milliseconds(seconds)}" for name, seconds in bounds.items()]
        # Detect an unreachable server after seconds instead of the minutes of TCP's default.
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
