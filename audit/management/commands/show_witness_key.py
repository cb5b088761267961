from typing import Any

from audit.commands import LogCommand
from audit.services.witness import find_witness_key


class Command(LogCommand):
    help = "Print the key with which this installation cosigns checkpoints of other logs (CC_WITNESS_FOR)."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(find_witness_key().vkey)
