"""The state of the log for every page: signed entries, waiting entries, and problems.

A page that already queries the database adds ``warning_columns`` to its statement, and passes the row to
``warnings_of``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import BooleanField, DateTimeField, IntegerField, Value
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Cast

from audit.models import READ_PERMISSION, AuditAlarm, AuditCheckpoint, Reader
from audit.models.alarms import forged_resolutions
from audit.sequencing import timestamps
from audit.sequencing.lag import Delay
from audit.sequencing.tree import latest_checkpoint
from audit.services.proofs import opened
from audit.services.verifications import Verification, Verifications, last_verifications
from audit.services.witnessed import Witnessed, read_witnessed
from kernel.clock import process_now
from kernel.trust.models import Instance
from kernel.trust.row_mac import IntegrityFailed


class _State(StrEnum):
    GOOD = "good"
    UNSIGNED = "unsigned"  # no checkpoint yet
    UNVERIFIED = "unverified"  # the last full verification did not pass
    BEHIND = "behind"  # entries wait longer than they should
    ALARMED = "alarmed"  # an alarm is open
    BROKEN = "broken"  # the newest checkpoint is invalid


@dataclass(frozen=True, slots=True)
class Warnings:
    """``waits_since`` is the time of the oldest entry without a place in the tree or without a signature.

    ``alarms`` is the number of open alarms (counted up to 1,000), ``alarmed_at`` the time of the newest. ``forged`` are
    those among them whose row was altered to look resolved. A reader who may not see alarms gets none.
    """

    delay: Delay
    waits_since: datetime | None
    alarms: int
    alarmed_at: datetime | None
    forged: Sequence[AuditAlarm]


@dataclass(frozen=True, slots=True)
class LogStatus:
    """``size`` entries are signed since ``signed_at``. ``pending`` ones are not in the tree.

    ``verifications`` and alarms are only for readers of the whole log (``sees_whole``). ``archived_until`` is the time of the
    newest entry in the archive. ``witnessed`` is None without witnesses.
    """

    state: _State
    pending: int
    warnings: Warnings
    sees_whole: bool
    verifications: Verifications | None
    archived_until: datetime | None
    size: int = 0
    signed_at: datetime | None = None
    witnessed: Witnessed | None = None


def may_see_alarms(reader: Reader) -> bool:
    """Whether the reader may read the whole log, because alarms are entries of it. Raises Denied without any access."""
    return reader.scope(READ_PERMISSION) == "all"


def warning_columns(reader: Reader) -> Mapping[str, BaseExpression]:
    """The columns that ``warnings_of`` reads. Raises Denied."""
    alarms: tuple[BaseExpression, ...] = (
        Value(0, output_field=IntegerField()),
        Cast(Value(None), DateTimeField()),
        Value(value=False, output_field=BooleanField()),
    )
    if may_see_alarms(reader):
        alarms = (timestamps.alarm_count(), timestamps.last_alarm(), timestamps.has_resolved_alarms())
    return {
        "log_unsequenced": timestamps.since_unsequenced(),
        "log_unsigned": timestamps.since_unsigned(),
        **dict(zip(("log_alarms", "log_alarmed", "log_resolved"), alarms, strict=True)),
    }


def warnings_of(row: Mapping[str, Any], now: datetime) -> Warnings:
    """Warnings from a row with the columns of ``warning_columns``. Checks the MACs of resolved alarms."""
    unsequenced, unsigned = row["log_unsequenced"], row["log_unsigned"]
    forged = forged_resolutions() if row["log_resolved"] else []
    raised = [row["log_alarmed"], *(alarm.raised_at for alarm in forged)]
    return Warnings(
        delay=Delay.since(unsequenced, unsigned, now),
        waits_since=min(filter(None, (unsequenced, unsigned)), default=None),
        alarms=row["log_alarms"] + len(forged),
        alarmed_at=max(filter(None, raised), default=None),
        forged=forged,
    )


def newest_alarms(warnings: Warnings, limit: int) -> list[AuditAlarm]:
    """The newest of the open alarms that the warnings count."""
    unresolved = AuditAlarm.objects.unresolved().order_by("-raised_at", "id")[:limit].found()
    return sorted([*unresolved, *warnings.forged], key=lambda alarm: alarm.raised_at, reverse=True)[:limit]


def read_log_status(*, reader: Reader) -> LogStatus:
    """The state from the warnings and the newest checkpoint, whose signatures are verified. Raises Denied."""
    row: dict[str, Any] = dict(
        Instance.objects.values(
            pending=timestamps.pending_count(),
            archived_until=timestamps.archived_until(),
            progress=timestamps.pass_progress(),
            **warning_columns(reader),
        ).get()
    )
    warnings, newest = warnings_of(row, process_now()), latest_checkpoint()
    sees_whole = may_see_alarms(reader)
    verifications = last_verifications(row["progress"]) if sees_whole else None
    return LogStatus(
        _state(newest, warnings, verifications.full if verifications else None),
        row["pending"],
        warnings,
        sees_whole,
        verifications,
        row["archived_until"],
        size=newest.size if newest else 0,
        signed_at=newest.signed_at if newest else None,
        witnessed=read_witnessed(newest),
    )


def _state(newest: AuditCheckpoint | None, warnings: Warnings, verification: Verification | None) -> _State:
    """The most severe state that applies."""
    if newest is not None and not _holds(newest):
        return _State.BROKEN
    if warnings.alarms:
        return _State.ALARMED
    if warnings.delay.is_late:
        return _State.BEHIND
    if verification is not None and verification.problem:
        return _State.UNVERIFIED
    return _State.UNSIGNED if newest is None else _State.GOOD


def _holds(newest: AuditCheckpoint) -> bool:
    try:
        opened(newest)
    except IntegrityFailed:
        return False
    return True
