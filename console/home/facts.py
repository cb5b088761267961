"""The single values that the home page reads from many tables, in one statement."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, JSONField, Q, QuerySet, Subquery, Value
from django.db.models.expressions import BaseExpression
from django.db.models.functions import JSONObject

from accounts.models import ServiceAccount, User
from accounts.principals import Principal
from accounts.roles import AUDITOR
from audit.models import LogTarget
from audit.sequencing.timestamps import CountOf, pass_progress, signed_at
from audit.services.log_status import Warnings, may_see_alarms, warning_columns, warnings_of
from audit.services.verifications import Verifications, last_verifications
from audit.usage.charts import RANGES
from audit.usage.queries import rows_done
from audit.usage.sums import DAY, Day, Span, Used, day_columns
from console.home.denied_acts import DeniedActs, denied_act_columns
from console.home.service_alerts import ServiceFacts, service_columns
from crypto_ops.actions import MESSAGE_ENCRYPTED
from kernel.databases.rows import is_of
from kernel.jobs.job import JobRecord
from kernel.jobs.job import Status as JobStatus
from keys.lifecycle import Status
from keys.models import Key
from keys.models.selection import Finding, has_finding, has_status
from keys.models.visibility import visible_parts
from keys.reading.services import ids_of_own_keys
from keys.usage.services.callers import ids_with_callers

_JOINED = (Finding.DELETION_DENIED, Finding.DENIED)
_BUSIEST = 5  # keys, and callers
_SCANNED = (Finding.OVERDUE, Finding.EXPIRING, Finding.DELETION_AHEAD)


@dataclass(frozen=True, slots=True)
class _KeyCounts:
    """Numbers of visible keys: all, active ones, and those with each finding that has alerts."""

    all: int
    active: int
    found: Mapping[Finding, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """Single values and the state of the log.

    ``day`` has the operations within ``span``: 24 hours of the clock. ``failed_jobs`` counts those of the last day.
    ``has_log_targets``: there is at least one.
    ``service`` is None for those who may not read the system. ``verifications`` are only read for readers of the whole log,
    and if no alarm is open.
    """

    has_second_factor: bool
    has_auditor: bool
    has_encrypted: bool
    has_application: bool
    has_log_targets: bool
    service: ServiceFacts | None
    failed_jobs: int
    denied_acts: DeniedActs
    keys: _KeyCounts
    span: Span
    day: Day
    log: Warnings
    signed_at: datetime | None
    verifications: Verifications | None

    @property
    def used(self) -> Used:
        return self.day.used


def read_facts(principal: Principal, at: datetime) -> Facts:
    """Raises Denied."""
    own, span = ids_of_own_keys(principal=principal), RANGES["24h"].span(at)
    reads_system = principal.has_permission("system.read")
    asked = {
        **day_columns(span, own, ids_with_callers(principal=principal), _BUSIEST),
        "has_auditor": Exists(User.objects.filter(role=AUDITOR, is_active=True)),
        "has_log_targets": Exists(LogTarget.objects.all()),
        "has_application": Exists(ServiceAccount.objects.all()),
        "has_encrypted": Exists(rows_done(MESSAGE_ENCRYPTED, own)),
        **(service_columns(at) if reads_system else {}),
        **_key_counts(principal, at),
        "failed_jobs": CountOf(failed_jobs(principal, at).order_by().values("pk")),
        **denied_act_columns(principal, at),
        **warning_columns(principal),
        "signed_at": signed_at(),
        "pass_progress": pass_progress(),
    }
    person = User.objects.filter(pk=principal.person_id)
    row: dict[str, Any] = dict(person.values("requires_second_factor", **asked).get())
    log = warnings_of(row, at)
    reads_verifications = may_see_alarms(principal) and not log.alarms
    return Facts(
        has_second_factor=row["requires_second_factor"],
        has_auditor=row["has_auditor"],
        has_encrypted=row["has_encrypted"],
        has_application=row["has_application"],
        has_log_targets=row["has_log_targets"],
        service=ServiceFacts.of_row(row) if reads_system else None,
        failed_jobs=row["failed_jobs"],
        denied_acts=DeniedActs.of_row(row),
        keys=_key_counts_of(row),
        span=span,
        day=Day.of_row(row, span),
        log=log,
        signed_at=row["signed_at"],
        verifications=last_verifications(row["pass_progress"]) if reads_verifications else None,
    )


def failed_jobs(principal: Principal, at: datetime) -> QuerySet[JobRecord]:
    """The jobs that failed within a day: all if the principal may read the system, else their own."""
    whose = Q() if principal.has_permission("system.read") else is_of(principal.identity, user="created_by")
    return JobRecord.objects.filter(whose, status=JobStatus.FAILED.value, finished_at__gte=at - DAY)


def _key_counts(principal: Principal, at: datetime) -> Mapping[str, BaseExpression]:
    """One scan of an index for most counts, and a join for each of the others."""
    visible = Key.objects.visible_to(principal).order_by()
    counts = JSONObject(
        all=Count("pk"),
        active=Count("pk", filter=has_status(Status.ACTIVE, at)),
        **{str(each): Count("pk", filter=has_finding(each, at)) for each in _SCANNED},
    )
    parts = {
        f"keys_{number}": Subquery(
            Key.objects.filter(part)  # noqa: CC2 - the parts of visible_parts
            .order_by()
            .annotate(one=Value(1))
            .values("one")
            .annotate(counts=counts)
            .values("counts"),
            output_field=JSONField(),
        )
        for number, part in enumerate(visible_parts(principal))
    }
    joined = {str(each): CountOf(visible.with_finding(each, at).values("pk")) for each in _JOINED}
    return parts | joined


def _key_counts_of(row: Mapping[str, Any]) -> _KeyCounts:
    counts: Counter[str] = Counter({str(each): row[each] for each in _JOINED})
    for name in row:
        if name.startswith("keys_"):
            counts.update(row[name] or {})
    return _KeyCounts(counts["all"], counts["active"], {each: counts[each] for each in (*_JOINED, *_SCANNED)})
