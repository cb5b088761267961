from argparse import ArgumentParser
from typing import Any

from accounts.commands import SystemCommand
from console.key_encryption.services import retire_kek


class Command(SystemCommand):
    help = "Retire a key-encryption key that wraps nothing any more. Its file stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kek_id", metavar="ID")
        parser.add_argument("--confirm", required=True, metavar="ID", help="the same id again")

    def handle(self, *_args: Any, kek_id: str, confirm: str, **_options: Any) -> None:
        retired = retire_kek(principal=self.principal, kek_id=kek_id, confirmed_id=confirm)
        self.stdout.write(
            f"key-encryption key {retired.id} is retired: this database does not need it any more"
        )
        self.stdout.write(
            "Backups from before the rewrap still need it. Keep a copy offline as long as you keep them."
        )
        self.stdout.write(
            f"Restart all processes, then remove kek-{retired.id}.key from every data folder, or the entry from CC_KEK."
        )
