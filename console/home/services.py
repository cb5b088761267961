"""Conditions that need a decision, filtered by what the caller may see. Ideally, the list is empty.

Home and ``GET /api/v1/attention`` show the same list. It has one alert per object, the first ones of each kind, and the
number of all, so that thousands of overdue keys neither hide an alarm nor cost more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from accounts.principals import Principal
from audit.actions import EXPORT_FAILED
from audit.models import EXPORT_PERMISSION, READ_TARGETS, RESOLVE_PERMISSION
from audit.services.log_status import newest_alarms
from audit.verification.jobs import KIND as VERIFICATION
from console.home.alerts import Alert, AlertGroup, AlertKind, AlertObject
from console.home.denied_acts import denied_act_alerts
from console.home.facts import Facts, failed_jobs, read_facts
from console.home.key_alerts import key_alerts
from console.home.service_alerts import log_target_alerts, service_alerts
from console.jobs.kinds import JOB_KINDS
from console.key_encryption.rewraps import KIND as REWRAP
from crypto_ops.files.task import KIND as FILE
from keys.rotation.task import KIND as ROTATION

PAGES = {
    FILE: "file-job",
    ROTATION: "rotation-job",
    REWRAP: "rewrap",
    VERIFICATION: "verification",
}  # the pages of jobs other than exports, by kind


@dataclass(frozen=True, slots=True)
class Attention:
    """The alerts as of ``at``, the most severe kinds first, and the facts that they are based on."""

    at: datetime
    facts: Facts
    groups: Sequence[AlertGroup]

    @property
    def alerts(self) -> list[Alert]:
        return [alert for group in self.groups for alert in group.alerts]


def read_attention(*, principal: Principal, at: datetime, limit: int) -> Attention:
    """At most ``limit`` alerts of each kind. Raises Denied."""
    facts = read_facts(principal, at)
    single = [
        *_of_the_log(principal, facts),
        *(service_alerts(facts.service, at) if facts.service else []),
        *_of_the_account(principal, facts),
    ]
    groups = [
        *_alarms(principal, facts, limit),
        *key_alerts(principal, facts.keys.found, at, limit),
        *denied_act_alerts(facts.denied_acts, at),
        *_failed_jobs(principal, facts, at, limit),
        *_late_targets(principal, facts, at, limit),
        *(AlertGroup(alert.kind, 1, [alert]) for alert in single),
    ]
    order = list(AlertKind)
    return Attention(at, facts, sorted(groups, key=lambda group: order.index(group.kind)))


def _alarms(principal: Principal, facts: Facts, limit: int) -> Iterator[AlertGroup]:
    if not facts.log.alarms:
        return
    may_resolve = principal.has_permission(RESOLVE_PERMISSION)
    alerts = [
        Alert(
            AlertKind.AUDIT_ALARM,
            f"Audit alarm on {alarm.raised_at:%Y-%m-%d %H:%MZ}: {alarm.label}. The audit log may have been altered.",
            reverse("alarm-resolve", args=[alarm.id]) if may_resolve else reverse("alarms"),
            "Resolve" if may_resolve else "See alarms",
            AlertObject("audit_alarm", str(alarm.id), alarm.label),
            alarm.raised_at,
        )
        for alarm in newest_alarms(facts.log, limit)
    ]
    yield AlertGroup(
        AlertKind.AUDIT_ALARM, facts.log.alarms, alerts, reverse("alarms"), "audit alarms are open"
    )


def _failed_jobs(principal: Principal, facts: Facts, at: datetime, limit: int) -> Iterator[AlertGroup]:
    if not facts.failed_jobs:
        return
    sees_jobs = principal.has_permission(EXPORT_PERMISSION)
    in_log = f"{reverse('audit')}?action={EXPORT_FAILED}"
    newest = failed_jobs(principal, at).order_by("-finished_at")[:limit]
    alerts = [
        Alert(
            AlertKind.JOB_FAILED,
            f"The job “{JOB_KINDS[job.kind].label}” failed on {job.finished_at:%Y-%m-%d %H:%MZ}.",
            reverse(PAGES.get(job.kind, "job"), args=[job.id]) if job.kind in PAGES or sees_jobs else in_log,
            "See details",
            AlertObject(job.kind, str(job.id)),
            job.finished_at,
        )
        for job in newest
    ]
    yield AlertGroup(
        AlertKind.JOB_FAILED, facts.failed_jobs, alerts, reverse("jobs"), "jobs failed in the last 24 hours"
    )


def _late_targets(principal: Principal, facts: Facts, at: datetime, limit: int) -> Iterator[AlertGroup]:
    if not (facts.has_log_targets and principal.has_permission(READ_TARGETS)):
        return
    if alerts := log_target_alerts(at):
        text = "log targets do not get the log"
        yield AlertGroup(AlertKind.LOG_TARGET_LATE, len(alerts), alerts[:limit], reverse("log-targets"), text)


def _of_the_log(principal: Principal, facts: Facts) -> Iterator[Alert]:
    system, log = reverse("system"), facts.log
    verification = facts.verifications.full if facts.verifications else None
    if verification is not None and verification.problem:
        yield Alert(
            AlertKind.AUDIT_UNVERIFIED,
            verification.problem,
            system,
            "Check the system",
            since=verification.ended_at,
        )
    if log.delay.is_late and principal.has_permission("system.read"):
        refused = " The server rejects operations until it catches up." if log.delay.stops_operations else ""
        waiting = f"have been waiting {log.delay.seconds:.0f} seconds to be sequenced and signed"
        text = f"Audit log entries {waiting}.{refused}"
        yield Alert(AlertKind.AUDIT_DELAY, text, system, "Check the system", since=log.waits_since)


def _of_the_account(principal: Principal, facts: Facts) -> Iterator[Alert]:
    if not facts.has_second_factor:
        text = "Your account has no second factor. Anyone with your password can sign in as you."
        account = AlertObject("user", str(principal.person_id), principal.actor.actor_name)
        yield Alert(AlertKind.SECOND_FACTOR_MISSING, text, reverse("mfa"), "Set up a second factor", account)
