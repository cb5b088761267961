from argparse import ArgumentParser
from typing import Any

from audit.commands import LogCommand
from audit.services.older_database import accept_older_database


class Command(LogCommand):
    help = "Accept a database without audit log entries that this host has seen, and record that in the log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--reason", required=True, help="why the database is older; recorded in the audit log"
        )

    def handle(self, *_args: Any, reason: str, **_options: Any) -> None:
        size = accept_older_database(reason=reason, actor=self.actor)
        self.stdout.write(
            f"the audit log continues from {size} entries; checkpoints of more entries contradict it"
        )
