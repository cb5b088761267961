from argparse import SUPPRESS, ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audit.commands import LogCommand, PeriodicProgress, read_keys, read_notes
from audit.sequencing.head import HEAD_FILE
from audit.verification.recording import verify_and_record
from backups.restoring import Restored, restore_backup
from kernel.installation import MANAGE

FINDINGS = 3  # in the message; verify_audit_log lists them all


class Command(LogCommand):
    help = "Restore a backup into an empty database. Copy its key-encryption key to the data folder first."
    requires_migrations_checks = False  # the database is empty

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="the folder that backup has written")
        parser.add_argument(
            "--checkpoint",
            action="append",
            default=[],
            metavar="FILE",
            help="a checkpoint or an anchor file stored elsewhere; an older backup is refused; repeatable",
        )
        parser.add_argument(
            "--accept-older",
            default="",
            metavar="REASON",
            help="restore a backup that lacks known audit log entries, and record the reason in the log",
        )
        parser.add_argument(
            "--key",
            action="append",
            default=[],
            metavar="VKEY",
            help="require a signature by this checkpoint key, or by the keys in this file; repeatable",
        )
        parser.add_argument("--verify", action="store_true", help="verify the whole log after the restore")
        parser.add_argument("--drill", action="store_true", help=SUPPRESS)  # for restore_drill

    def handle(
        self,
        *_args: Any,
        folder: Path,
        checkpoint: list[str],
        accept_older: str,
        key: list[str],
        verify: bool,
        drill: bool,
        **_options: Any,
    ) -> None:
        try:
            restored = restore_backup(
                folder,
                actor=self.actor,
                seen={name: read_notes(name) for name in checkpoint},
                accepted_because=accept_older,
                pinned=[vkey for given in key for vkey in read_keys(given)],
                progress=PeriodicProgress("rows"),
                is_drill=drill,
            )
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was restored.") from None
        self._report(restored)
        if verify:
            self._verify()

    def _report(self, restored: Restored) -> None:
        manifest = restored.manifest
        self.stdout.write(
            f"{manifest.rows} rows restored, as of {manifest.created_at}; the audit log had {restored.size} entries"
        )
        if restored.is_older:
            self.stdout.write("This backup is older than the log that was seen before. The log records that.")
        elif not restored.was_compared:
            self.stdout.write(
                f"There is no {HEAD_FILE} in the data folder, so this may be an older backup. "
                f"Compare it with an anchored checkpoint: {MANAGE} verify_audit_log --checkpoint FILE."
            )

    def _verify(self) -> None:
        """Alarms do not fail the restore, because they are on record, and so is the acceptance of an older backup."""
        report = verify_and_record(
            actor=self.actor, report_problem=self.stderr.write, progress=PeriodicProgress()
        )
        if report.digest:
            findings = "; ".join(map(str, report.findings[:FINDINGS]))
            raise CommandError(f"Restored, but the audit log of the backup was altered: {findings}")
        alarms = f", alarms in it: {report.alarms}" if report.alarms else ""
        self.stdout.write(f"{report.size} entries of the audit log verified{alarms}")
