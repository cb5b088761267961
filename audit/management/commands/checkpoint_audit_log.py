from typing import Any

from django.core.management.base import CommandError

from audit.management.base import LogCommand
from audit.sequencing.running import checkpoint_now


class Command(LogCommand):
    help = "Sequences what waits, signs a checkpoint now, and prints the newest one."

    def handle(self, *_args: Any, **_options: Any) -> None:
        checkpoint = checkpoint_now()
        if checkpoint is None:
            raise CommandError("The audit log has no entries yet.")
        self.stdout.write(checkpoint.note, ending="")
