from typing import Any

from audit.commands import LogCommand
from audit.sequencing.checkpoints.signing_keys import rotate_checkpoint_keys


class Command(LogCommand):
    help = "Publish new checkpoint keys. They start to sign after a checkpoint signed by the old keys covers their publication."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for key in rotate_checkpoint_keys(self.actor):
            self.stdout.write(key.vkey)
