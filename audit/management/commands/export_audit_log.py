from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audit.commands import LogCommand, PeriodicProgress
from audit.exports.tiles import export_log
from audit.sequencing.running import checkpoint_now
from kernel.crypto.encoding import encode_base64


class Command(LogCommand):
    help = "Write the audit log as a folder that bin/ccverify verifies elsewhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that is new or empty")
        parser.add_argument(
            "--no-sign",
            action="store_true",
            help="export up to the latest existing checkpoint, without sequencing and signing new entries first",
        )

    def handle(self, *_args: Any, folder: Path, no_sign: bool, **_options: Any) -> None:
        if not no_sign:
            checkpoint_now()
        try:
            summary = export_log(folder, PeriodicProgress())
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was written.") from None
        root = encode_base64(summary.root)
        self.stdout.write(f"{summary.size} entries and {summary.rows} changed rows in {folder}, root {root}")
