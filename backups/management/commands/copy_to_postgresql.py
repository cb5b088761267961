import sys
from getpass import getpass
from typing import Any

from django.core.management.base import CommandError

from audit.commands import LogCommand, PeriodicProgress
from backups.moving import copy_to_postgresql


class Command(LogCommand):
    help = (
        "Copy a SQLite installation into an empty PostgreSQL database. Its URL is read from standard input."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        # Not an argument, because it contains a password, and other users can read arguments.
        url = getpass("DATABASE_URL of the target: ") if sys.stdin.isatty() else sys.stdin.readline()
        try:
            copy_to_postgresql(url.strip(), progress=PeriodicProgress("rows"))
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was copied.") from None
        self.stdout.write(
            "The installation is copied and its audit log verified. Set DATABASE_URL to the target, and start the "
            "server. Keep db.sqlite3 until you have a backup of the target; the server refuses to start with it."
        )
