from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from accounts.commands import SystemCommand
from audit.services.resolving import resolve_alarm


class Command(SystemCommand):
    help = (
        "Resolve an alarm of the audit log. To get alarm IDs, run list_audit_alarms. "
        "Resolving sequence_gap, state_altered or state_unknown accepts the missing entries or the rows that it names."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alarm_id", type=UUID, metavar="ID")
        parser.add_argument(
            "--reason", required=True, help="the cause that you found; recorded in the audit log"
        )

    def handle(self, *_args: Any, alarm_id: UUID, reason: str, **_options: Any) -> None:
        alarm = resolve_alarm(principal=self.principal, alarm_id=alarm_id, reason=reason)
        text = f"; accepted: {alarm.accepted}" if alarm.accepted else ""
        if alarm.acceptance and not text:
            text = "; nothing was accepted, because this difference is no longer there. Run verify_audit_log"
        self.stdout.write(f"{alarm.id} resolved{text}")
