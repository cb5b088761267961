"""PostgreSQL backend. The session's ``lock_timeout`` bounds a single wait.

If a request has less time left, its statements use the remaining time as ``lock_timeout``. ``commit_waits`` bounds COMMIT.
A single statement that writes gets a transaction, so that the wait for its commit is a COMMIT, too.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import django.db
import psycopg
from django.db import transaction
from django.db.backends.utils import debug_transaction
from django_prometheus.db.backends.postgresql import base
from django_prometheus.db.common import DatabaseWrapperMixin
from prometheus_client import Counter
from psycopg_pool import ConnectionPool, PoolTimeout

from kernel.databases import commit_waits
from kernel.databases.changes import CarriesChanges
from kernel.databases.counting import countable, is_counted, uncounted_statements
from kernel.databases.lock_waits import LEAST, is_short, milliseconds, seconds_left

# Not in kernel.observability.metrics, which is a layer above.
database_pool_timeouts_total = Counter(
    "database_pool_timeouts_total", "Waits for a connection of the pool that took too long."
)

_WRITING = ("INSERT", "UPDATE", "DELETE")
_ROLLING_BACK = "ROLLBACK TO SAVEPOINT"


class _BoundedPool:
    """A pool that limits the wait for a connection to the remaining wait time of the request.

    ``must_write``: it replaces connections that became read-only since they were made.
    """

    def __init__(self, pool: ConnectionPool[psycopg.Connection[Any]], *, must_write: bool) -> None:
        self._pool = pool
        self._must_write = must_write

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        until = time.monotonic() + min(timeout or self._pool.timeout, seconds_left())
        try:
            while True:
                session = self._pool.getconn(until - time.monotonic())
                if not (self._must_write and _is_read_only(session)):
                    return session
                session.close()
                self._pool.putconn(session)
        except PoolTimeout:
            database_pool_timeouts_total.inc()
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


def _is_read_only(session: psycopg.Connection[Any]) -> bool:
    """Whether the server rejects writes of this session, as of its last response: PostgreSQL reports each change."""
    status = session.pgconn.parameter_status
    return b"on" in {status(b"default_transaction_read_only"), status(b"in_hot_standby")}


def _execute_writable(execute: Callable[..., Any], *call: Any) -> Any:
    """A server that became read-only is unavailable, like a stopped one: the response is 503 and not 500."""
    try:
        return execute(*call)
    except django.db.InternalError as error:
        if isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction):
            cause = error.__cause__
            raise django.db.OperationalError(*error.args) from cause
        raise


class DatabaseWrapper(CarriesChanges, base.DatabaseWrapper):  # type: ignore[misc]  # django_prometheus has no types
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.execute_wrappers += [self._execute_bounded, _execute_writable]

    @property
    def pool(self) -> _BoundedPool | None:
        pool = super().pool
        return None if pool is None else _BoundedPool(pool, must_write=self._must_write)

    @property
    def _must_write(self) -> bool:
        # Otherwise the next connection would be to the same server, and read-only, too.
        return bool(self.settings_dict["OPTIONS"].get("target_session_attrs") == "read-write")

    def is_usable(self) -> bool:
        """False also if the server became read-only. Then the next connection is made to another host."""
        is_usable: bool = super().is_usable()
        return is_usable and not (self._must_write and _is_read_only(self.connection))

    def get_connection_params(self) -> Any:
        parameters = super().get_connection_params()
        return parameters | {"cursor_factory": countable(parameters["cursor_factory"])}

    def get_new_connection(self, *args: Any) -> Any:
        parent: Any = super() if is_counted() else super(DatabaseWrapperMixin, self)
        return parent.get_new_connection(*args)

    def _configure_connection(self, connection: psycopg.Connection[Any]) -> Any:
        with uncounted_statements():  # the pool also opens connections for uncounted statements
            return super()._configure_connection(connection)

    def _commit(self) -> None:
        if self.connection is not None:
            with debug_transaction(self, "COMMIT"), self.wrap_database_errors:
                commit_waits.commit(self.connection)

    def _execute_bounded(self, execute: Callable[..., Any], sql: Any, *call: Any) -> Any:
        if (
            not self.in_atomic_block
            and self.autocommit
            and isinstance(sql, str)
            and sql.lstrip().startswith(_WRITING)
        ):
            with transaction.atomic(using=self.alias):
                return self._execute_bounded(execute, sql, *call)
        # It waits for no lock, and a SET before it would fail in the failed transaction.
        if isinstance(sql, str) and sql.startswith(_ROLLING_BACK):
            return execute(sql, *call)
        # The session of an overdue COMMIT keeps its locks, so that waiting for them is in vain.
        seconds = LEAST if commit_waits.are_overdue() else seconds_left()
        if not is_short(seconds):
            return execute(sql, *call)
        bound = f"lock_timeout = {milliseconds(seconds)}"
        if self.in_atomic_block:
            self._run(f"SET LOCAL {bound}")
            return execute(sql, *call)
        self._run(f"SET {bound}")
        try:
            return execute(sql, *call)
        finally:
            with suppress(psycopg.Error):  # the connection is broken and will not be used again
                self.connection.execute("RESET lock_timeout")

    def _run(self, statement: str) -> None:
        with self.wrap_database_errors:
            self.connection.execute(statement)
