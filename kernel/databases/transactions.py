"""Snapshots, turns, and the connections of pool threads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import django.db
from django.db import connection, connections, transaction


@contextmanager
def one_snapshot() -> Iterator[None]:
    """All reads inside the block see the same state of the database, while others write. For reading only.

    Raises TransactionManagementError inside a transaction, which may already have its snapshot.
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("a snapshot begins outside any transaction")
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    with connection.cursor() as cursor:
        # Not atomic(): its BEGIN IMMEDIATE would block every writer.
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def wait_for_lock(lock: int) -> None:
    """Wait for the lock (a bigint of the caller's choice) and hold it until the transaction ends.

    For requests that check a limit: otherwise concurrent ones would not see each other reach it. SQLite needs no lock,
    because it has one writing transaction at a time.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])


def try_lock(lock: int) -> bool:
    """Take the lock (a bigint of the caller's choice) until the transaction ends. False if another session holds it.

    SQLite needs no lock, for the same reason.
    """
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock])
        row = cursor.fetchone()
    return row is not None and bool(row[0])


@contextmanager
def exclusive_session(lock: int) -> Iterator[None]:
    """Wait for the lock (a bigint of the caller's choice) and hold it over the transactions of the block.

    PostgreSQL only: on SQLite, the caller locks a file. A killed process releases the lock with its connection.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [lock])
    try:
        yield
    finally:
        with suppress(django.db.Error), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])


def release_connections() -> None:
    """Before long work without the database: return the connections of this thread, unless a transaction is open."""
    for each in connections.all(initialized_only=True):
        if not each.in_atomic_block:
            each.close()


def call_in_pool[T](call: Callable[..., T], *args: object) -> T:
    """Call the function in this pool thread, then return the database connections that it used.

    Otherwise the thread would keep them between calls.
    """
    try:
        return call(*args)
    finally:
        connections.close_all()
