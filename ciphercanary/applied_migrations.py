"""Whether the tables are those of this version."""

from functools import cache

from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def count_due_migrations() -> int:
    """How many migrations of this version are not applied. Raises django.db.Error, also where there are no tables."""
    return len(_shipped() - set(MigrationRecorder.Migration.objects.values_list("app", "name")))


@cache
def _shipped() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)
