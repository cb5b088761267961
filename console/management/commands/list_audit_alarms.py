from argparse import ArgumentParser
from typing import Any

from accounts.commands import SystemCommand
from audit.models import AuditAlarm
from audit.services.alarms import find_alarms

LIMIT = 1000


class Command(SystemCommand):
    help = "List the open alarms of the audit log, newest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", dest="lists_all", help="also list resolved alarms")

    def handle(self, *_args: Any, lists_all: bool, **_options: Any) -> None:
        found = find_alarms(principal=self.principal, status=None if lists_all else "open")
        for alarm in found[:LIMIT].found():
            self.stdout.write(_line(alarm))
        count = found.count()
        if count > LIMIT:
            self.stdout.write(f"and {count - LIMIT} more")
        if not count:
            self.stdout.write("no alarms" if lists_all else "no open alarms")


def _line(alarm: AuditAlarm) -> str:
    where = "" if alarm.log_id is None else f" at entry {alarm.log_id}"
    line = f"{alarm.id} {alarm.raised_at:%Y-%m-%d %H:%M:%SZ} {alarm.status} {alarm.kind}{where}: "
    line += alarm.missing or f"expected {alarm.expected}, found {alarm.found}"
    if alarm.is_altered:
        return f"{line} (the stored alarm was altered)"
    return line if alarm.is_open else f"{line}; resolved by {alarm.resolved_by_name}: {alarm.reason}"
