"""The wait for COMMIT on PostgreSQL, and what follows after a COMMIT that the server does not confirm.

A server without its synchronous standby confirms no COMMIT until the standby returns. Nothing on the server limits this wait:
``statement_timeout`` does not apply, and a cancelled wait confirms a commit that no standby has. So the client ends the
wait, and closes the connection. The outcome is unknown, because the commit may become durable later. Nothing repeats it.

The server keeps such a session, with its locks, until the standby returns. These sessions must not use up the server's
connections. So while a COMMIT is overdue, this process sends no other for a change, and rolls the change back instead. The
socket of the session stays open. It becomes readable once the server has ended the COMMIT.
"""

import math
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import django.db
import psycopg
from psycopg.pq import TransactionStatus

from kernel.databases import lock_waits
from kernel.runtime import ProcessState

_UNCONFIRMED = "PostgreSQL did not confirm COMMIT in time, so it is unknown whether the change was made"
_NOT_SENT = "PostgreSQL has not confirmed an earlier COMMIT, so the change was rolled back"
LEAST_FOR_COMMIT = (
    2.0  # seconds for a COMMIT after long waits: an unknown outcome is worse than a late response
)
_HAS_WRITTEN = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL"

_limit: ContextVar[float | None] = ContextVar("_limit", default=None)


class CommitUnconfirmed(django.db.OperationalError):
    """The outcome of the transaction is unknown."""


class _Unconfirmed:
    """The sockets of sessions whose COMMIT this process waits for no longer, each with the time.monotonic() when it becomes overdue.

    ``here`` counts them in each thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sockets: dict[int, float] = {}
        self.here = threading.local()

    def add(self, socket: int, due: float) -> None:
        with self._lock:
            self.sockets[socket] = due

    def dues(self) -> list[float]:
        """When those become overdue that the server has still not confirmed."""
        with self._lock:
            poll = select.poll()
            for socket in self.sockets:
                poll.register(socket, select.POLLIN)
            for socket, _ in poll.poll(0):
                del self.sockets[socket]
                os.close(socket)
            return list(self.sockets.values())

    def close(self) -> None:
        with self._lock:
            for socket in self.sockets:
                os.close(socket)
            self.sockets.clear()


_unconfirmed = ProcessState(_Unconfirmed)


@contextmanager
def limited_to(seconds: float) -> Iterator[None]:
    """Inside the block, a COMMIT may take this long instead of what is left for waits; ``math.inf``: forever."""
    token = _limit.set(seconds)
    try:
        yield
    finally:
        _limit.reset(token)


def are_overdue() -> bool:
    """Whether the server has not confirmed a COMMIT that was sent at least ``CC_LOCK_WAIT_SECONDS`` ago."""
    unconfirmed = _unconfirmed.current
    return bool(unconfirmed.sockets) and min(unconfirmed.dues(), default=math.inf) <= time.monotonic()


def are_unconfirmed() -> bool:
    """Whether the server has not confirmed a COMMIT that this process no longer waits for."""
    return bool(_unconfirmed.current.dues())


def unconfirmed_here() -> int:
    """How many transactions of this thread had an unknown outcome."""
    return getattr(_unconfirmed.current.here, "count", 0)


def give_up(socket: int, sent: float) -> None:
    """Wait no longer for the COMMIT that was ``sent`` (time.monotonic) on this socket. Then close the connection."""
    _unconfirmed.current.add(os.dup(socket), sent + lock_waits.limit())


def commit(session: psycopg.Connection[Any]) -> None:
    """Commit within the limit. Raises psycopg.Error, and CommitUnconfirmed if the outcome is unknown."""
    if session.pgconn.transaction_status != TransactionStatus.INTRANS:
        session.commit()  # there is nothing to confirm
        return
    if are_overdue() and _has_written(session):
        raise django.db.OperationalError(_NOT_SENT)
    sent = time.monotonic()
    limit = _limit.get() or max(lock_waits.deadline() - sent, LEAST_FOR_COMMIT)
    try:
        with session.lock:
            # Like session.commit(), which has no limit.
            session.wait(session._commit_gen(), timeout=None if limit == math.inf else limit)  # noqa: SLF001
    except psycopg.OperationalError as error:
        if session.pgconn.transaction_status == TransactionStatus.ACTIVE:
            give_up(session.fileno(), sent)
            session.close()
        if not session.closed:
            raise
        here = _unconfirmed.current.here
        here.count = unconfirmed_here() + 1
        raise CommitUnconfirmed(_UNCONFIRMED) from error


def _has_written(session: psycopg.Connection[Any]) -> bool:
    row = session.execute(_HAS_WRITTEN).fetchone()
    return row is None or bool(row[0])
