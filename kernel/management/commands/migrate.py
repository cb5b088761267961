from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as DjangoCommand

from kernel.databases.applied_migrations import applied_migrations
from kernel.databases.releases import describe_newer_database, record_release


class Command(DjangoCommand):
    """Django's command. It also records the release, and refuses the database of a newer one."""

    def handle(self, *args: Any, **options: Any) -> None:
        before = applied_migrations()
        if problem := describe_newer_database(before):
            raise CommandError(problem)
        super().handle(*args, **options)
        if (applied := applied_migrations()) != before:
            record_release(applied)
