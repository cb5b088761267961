"""Checks for unapplied migrations."""

from functools import cache

from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def count_due_migrations() -> int:
    """The number of unapplied migrations of this version. Raises django.db.Error, also if there are no tables."""
    return len(_shipped() - set(MigrationRecorder.Migration.objects.values_list("app", "name")))


def has_due_migrations(executor: MigrationExecutor) -> bool:
    """Whether this version has an unapplied migration; works without tables, too. Raises django.db.Error."""
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@cache
def _shipped() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)
