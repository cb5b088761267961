"""Whether the tables are those of this version."""

from functools import cache

from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def count_due_migrations() -> int:
    """How many migrations of this version are not applied. Raises django.db.Error, also where there are no tables."""
    return len(_shipped() - set(MigrationRecorder.Migration.objects.values_list("app", "name")))


def has_due_migrations(executor: MigrationExecutor) -> bool:
    """Whether a migration of this version is not applied yet, also where there are no tables. Raises django.db.Error."""
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@cache
def _shipped() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)
