"""Checks for unapplied migrations."""

from functools import cache

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def applied_migrations() -> set[tuple[str, str]]:
    """App and name of each applied migration; empty without tables. Raises django.db.Error."""
    return set(_recorder().applied_migrations())


def count_due_migrations() -> int:
    """The number of unapplied migrations of this version: all of them without tables. Raises django.db.Error."""
    return len(_shipped() - applied_migrations())


@cache  # it remembers that its table exists, and saves a statement
def _recorder() -> MigrationRecorder:
    return MigrationRecorder(connection)


@cache
def _shipped() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)
