from typing import Any

from django.core.management.base import CommandError

from audit.commands import LogCommand
from audit.sequencing.running import checkpoint_now


class Command(LogCommand):
    help = "Sign a checkpoint of the audit log now and print it."

    def handle(self, *_args: Any, **_options: Any) -> None:
        checkpoint = checkpoint_now()
        if checkpoint is None:
            raise CommandError("The audit log has no entries yet.")
        self.stdout.write(checkpoint.note, ending="")
