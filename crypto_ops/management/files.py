"""Base of ``encrypt_file`` and ``decrypt_file``."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Final

from accounts.commands import SystemCommand
from kernel.commands import ProgressBar
from kernel.jobs.files import HashedFile
from kernel.jobs.progress import Report

INTERRUPTED: Final = "Interrupted. Nothing was written."


class FileCommand(SystemCommand):
    """A command with a source and a target. It runs here, not in a worker."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, help="the file to read")
        parser.add_argument("target", type=Path, help="a new file, which appears once it is complete")
        parser.add_argument(
            "--aad", default="", help="additional authenticated data as text; it is not stored"
        )

    def copy(self, target: Path, write: Callable[[Report], HashedFile]) -> None:
        """Write the target with a progress bar. Raises CommandError if it is interrupted, and what ``write`` raises."""
        bar = ProgressBar(self.stderr, "bytes")
        try:
            written = write(bar)
        except KeyboardInterrupt:
            raise self.failure(INTERRUPTED) from None
        finally:
            bar.clear()
        self.stdout.write(f"{target}: {written.size} bytes, SHA-256 {written.sha256}")
