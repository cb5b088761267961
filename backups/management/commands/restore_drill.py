import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.commands import SystemCommand
from backups.drill import decrypt_messages, run_drill


class Command(SystemCommand):
    help = "Back up, restore the backup into a temporary database, and decrypt and verify there. Schedule it monthly."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--messages", type=int, default=100, metavar="N", help="messages to encrypt and decrypt (100)"
        )
        parser.add_argument(
            "--target-from-stdin",
            action="store_true",
            help="restore into the empty database whose URL is the first line of standard input, not into a SQLite file",
        )
        parser.add_argument(
            "--decrypt", type=Path, metavar="FILE", help="only decrypt the messages of a drill, in its copy"
        )

    def handle(
        self,
        *_args: Any,
        messages: int,
        target_from_stdin: bool,
        decrypt: Path | None,
        **_options: Any,
    ) -> None:
        if decrypt:
            self.stdout.write(f"{decrypt_messages(decrypt, self.principal)} messages decrypted")
            return
        url = sys.stdin.readline().strip() if target_from_stdin else ""
        total = 0.0
        for name, seconds in run_drill(messages, url=url, principal=self.principal):
            self._write_row(name, seconds)
            total += seconds
        self._write_row("all steps", total)

    def _write_row(self, name: str, seconds: float) -> None:
        self.stdout.write(f"{name:<40}{seconds:9.2f} s")
        self.stdout.flush()
