from argparse import ArgumentParser
from typing import Any

from audit.management.base import LogCommand
from audit.sequencing.head import accept_older_database


class Command(LogCommand):
    help = "Record that the database lacks entries of the audit log which this host has seen."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="why the database is older; it stands in the log")

    def handle(self, *_args: Any, reason: str, **_options: Any) -> None:
        size = accept_older_database(reason=reason, actor=self.actor)
        self.stdout.write(f"the audit log goes on from {size} entries; earlier checkpoints contradict it")
