from typing import Any

from audit.management.base import LogCommand
from audit.sequencing.checkpoint_keys import rotate_checkpoint_keys


class Command(LogCommand):
    help = "Publish new keys for checkpoints. They sign once a checkpoint by the old ones covers that."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for key in rotate_checkpoint_keys(self.actor):
            self.stdout.write(key.vkey)
