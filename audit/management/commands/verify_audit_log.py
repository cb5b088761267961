from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from audit.commands import LogCommand, PeriodicProgress, read_keys, read_note
from audit.tlog.checkpoint import CheckpointInvalid
from audit.verification.findings import Report
from audit.verification.heads import OutsideCheckpoint
from audit.verification.recording import verify_and_record
from kernel.commands import JsonCommand
from kernel.crypto.encoding import encode_base64
from kernel.errors import Invalid

ALTERED, COULD_NOT_RUN = 1, 2
_LISTED = 20  # accepted losses


class Command(JsonCommand, LogCommand):
    returncode = COULD_NOT_RUN
    help = (
        "Verify the stored audit log. It checks rows, leaves, tree, checkpoints and completeness. "
        "Exit codes: 0 passed, 1 altered, 2 could not run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoint",
            action="append",
            default=[],
            metavar="FILE",
            help="a checkpoint stored elsewhere that the log must match; repeatable",
        )
        parser.add_argument(
            "--key",
            action="append",
            default=[],
            metavar="VKEY",
            help="trust this key, or the keys in this file, instead of the keys in the database; repeatable",
        )
        parser.add_argument(
            "--known-alarms",
            type=int,
            default=0,
            metavar="N",
            help="do not report the first N alarms in the log, resolved ones and accepted older databases included",
        )
        parser.add_argument(
            "--with-archive",
            action="store_true",
            help="read every archived entry; otherwise only the digests of the files are compared",
        )
        super().add_arguments(parser)

    def handle(
        self,
        *_args: Any,
        checkpoint: list[str],
        key: list[str],
        known_alarms: int,
        with_archive: bool,
        as_json: bool,
        **_options: Any,
    ) -> None:
        try:
            report = verify_and_record(
                actor=self.actor,
                report_problem=self.stderr.write,
                outside=[_outside(name) for name in checkpoint],
                pinned=[vkey for given in key for vkey in read_keys(given)],
                known_alarms=known_alarms,
                with_archive=with_archive,
                progress=PeriodicProgress(),
            )
        except KeyboardInterrupt:
            raise self.failure("Interrupted. The verification has no result.") from None
        if as_json:
            self.write_json(report.as_json())
        else:
            self.stdout.write("\n".join(_lines(report)))
        if report.is_altered:
            raise CommandError("The audit log was altered.", returncode=ALTERED)


def _outside(name: str) -> OutsideCheckpoint:
    note = read_note(name)
    try:
        return OutsideCheckpoint.parse(name, note)
    except CheckpointInvalid as error:
        raise Invalid(f"{name}: this is not a readable checkpoint: {error}") from error


def _lines(report: Report) -> list[str]:
    lines = [str(finding) for finding in report.findings]
    if (more := sum(report.counts.values()) - len(report.findings)) > 0:
        lines.append(f"and {more} more findings")
    if report.first_bad is not None:
        bad = report.first_bad
        lines.append(f"first bad index: {bad.first}" + (f" to {bad.last}" if bad.first != bad.last else ""))
    lines.append(
        f"{report.size} entries verified, up to {report.last_timestamp or 'none'}, "
        f"with {report.changed_rows} changed rows; root {encode_base64(report.root)}"
    )
    lines.append(
        f"{report.checkpoints} checkpoints are valid, the largest covers {report.signed_size} entries"
    )
    if report.archived:
        lines.append(f"{report.archived} of the entries are in the archive only")
    lines.append(f"{report.waiting} entries are not yet sequenced")
    lines += [f"not checked: {text}" for text in report.unchecked]
    lines += [f"accepted: {text}" for text in report.accepted[:_LISTED]]
    if (more := len(report.accepted) - _LISTED) > 0:
        lines.append(f"and {more} more accepted losses")
    if report.alarms:
        lines.append(f"{report.alarms} alarms are in the log, as audit.log.alarmed or rollback_accepted")
    return lines
