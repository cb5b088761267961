"""Applied and due migrations, and the transaction in which migrations run."""

import math
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import cache

from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from kernel.databases import commit_waits

type Names = AbstractSet[tuple[str, str]]
"""App and name of each migration."""


def applied_migrations() -> set[tuple[str, str]]:
    """App and name of each applied migration; empty without tables. Raises django.db.Error."""
    return set(_recorder().applied_migrations())


def count_due_migrations(applied: Names) -> int:
    """The number of migrations of this version that are not ``applied``."""
    return len(shipped_migrations() - applied)


@contextmanager
def migration_transaction() -> Iterator[None]:
    """A transaction in which migrations can run, all or none.

    SQLite's schema editor requires unchecked constraints, and SQLite cannot turn the check off inside a transaction.
    Its migrations check the constraints themselves.
    """
    connection.disable_constraint_checking()
    try:
        # The COMMIT may check the constraints of millions of rows, and an operator waits for it.
        with commit_waits.limited_to(math.inf), transaction.atomic():
            yield
    finally:
        connection.enable_constraint_checking()


@cache  # it remembers that its table exists, and saves a statement
def _recorder() -> MigrationRecorder:
    return MigrationRecorder(connection)


@cache
def shipped_migrations() -> frozenset[tuple[str, str]]:
    """App and name of each migration of this version."""
    return frozenset(MigrationLoader(None).disk_migrations)
