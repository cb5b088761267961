"""Verify the log and record the result. It is an entry of the log, whose MAC and leaf protect it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import django.db

from audit import actions
from audit.log.events import Actor, Event, Outcome
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.services.alarms import RECORDED, raise_alarms
from audit.services.recording import record_alone
from audit.verification.findings import Report, Result
from audit.verification.fsck import verify_log
from kernel.clock import database_now
from kernel.errors import DomainError
from kernel.jobs.progress import Stop


def verify_and_record(*, actor: Actor, report_problem: Callable[[str], object], **options: Any) -> Report:
    """Run ``verify_log`` with these options. The result goes into the log, and findings raise an alarm.

    If the log cannot be written, ``report_problem`` gets a message. Raises what ``verify_log`` raises.
    """
    started_at = database_now()
    try:
        report = verify_log(**options)
    except Stop:  # the job was cancelled, or continues elsewhere
        raise
    except Exception:
        _record(_event(Result.FAILED, started_at), actor, report_problem)
        raise
    result = Result.ALTERED if report.is_altered else Result.OK
    event = _event(result, started_at, entries=report.size, findings=report.counts.total())
    if _record(event, actor, report_problem) and (digest := report.digest):
        raise_alarms([_alarm_of(report, digest), *report.unnamed[: RECORDED - 1]])
    return report


def _alarm_of(report: Report, digest: str) -> Alarm:
    """The same findings are the same alarm. So its identity has no counts, because they include open alarms."""
    total = report.counts.total()
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(report.counts.items()))
    return Alarm(
        kind=AlarmKind.VERIFICATION_FAILED,
        expected="no findings",
        found=f"{total:,} finding{'' if total == 1 else 's'}: {kinds}",
        identity=f"findings {digest}",
    )


def _event(result: Result, started_at: datetime, **numbers: int) -> Event:
    return Event(
        action=actions.LOG_VERIFIED,
        outcome=Outcome.OK if result == Result.OK else Outcome.ERROR,
        code="" if result == Result.OK else result,
        meta={"started_at": started_at, **numbers},
    )


def _record(event: Event, actor: Actor, report_problem: Callable[[str], object]) -> bool:
    try:
        record_alone(event, actor)
    except (DomainError, django.db.Error):
        report_problem("The result was not recorded because the audit log cannot be written.")
        return False
    return True
