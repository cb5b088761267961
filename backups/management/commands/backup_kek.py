from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from audit.commands import LogCommand
from backups.kek_ring import copy_kek_ring


class Command(LogCommand):
    help = "Copy the key-encryption keys into a new folder, apart from the backups of the database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that is new or empty, on another medium")

    def handle(self, *_args: Any, folder: Path, **_options: Any) -> None:
        kek_ids = copy_kek_ring(folder, actor=self.actor)
        self.stdout.write(f"key-encryption keys in {folder}: {', '.join(kek_ids)}")
