from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audit.commands import LogCommand, PeriodicProgress
from backups.writing import back_up


class Command(LogCommand):
    help = "Back up the database into a new folder, without the key-encryption key. The server may run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that is new or empty")

    def handle(self, *_args: Any, folder: Path, **_options: Any) -> None:
        try:
            signed = back_up(folder, actor=self.actor, progress=PeriodicProgress("rows"))
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was written.") from None
        manifest = signed.manifest
        self.stdout.write(
            f"{manifest.rows} rows of {len(manifest.tables)} tables in {folder}, {manifest.size} bytes, "
            f"manifest SHA-256 {signed.digest}"
        )
