"""The results of the last full verification and the last full pass of the continuous one.

They are in entries of the log, which are checked against their leaf and their MAC.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from audit import actions
from audit.log.raw_rows import timestamp_of
from audit.models import AuditLog
from audit.sequencing import timestamps
from audit.verification.findings import Result
from audit.verification.integrity import FoundEntry, find_entries
from kernel.databases.rows import AnyOf
from kernel.trust.models import Instance

_ALL: Final = 100  # percent


@dataclass(frozen=True, slots=True)
class Verification:
    """``result`` is None if the entry was altered, and ``ended_at`` is None if its time is unreadable."""

    ended_at: datetime | None
    result: Result | None
    findings: int | None = None
    entries: int | None = None

    @property
    def outcome(self) -> str:
        """For display, as part of a sentence."""
        match self.result:
            case Result.OK:
                return "passed"
            case Result.ALTERED:
                return f"failed ({self.findings:,} finding{'' if self.findings == 1 else 's'})"
            case Result.FAILED:
                return "could not run"
        return "unknown: its record was altered"

    @property
    def problem(self) -> str:
        """The problem and the remedy, for display; "" if it passed."""
        match self.result:
            case Result.OK:
                return ""
            case Result.ALTERED:
                return "The last full verification failed. Run it again and investigate its findings."
            case Result.FAILED:
                return "The last full verification could not run. Run it again."
        return "The record of the last full verification was altered. Run it again."


@dataclass(frozen=True, slots=True)
class Verifications:
    """The last full verification, and the last full pass. ``percent`` is how far the current pass is: 100 until the next
    one begins, None before the first.
    """

    full: Verification | None
    last_pass: Verification | None
    percent: int | None

    def is_late(self, now: datetime) -> bool:
        """Whether the next full pass should have ended: a pass can begin an hour after the last one has ended."""
        ended_at = self.last_pass.ended_at if self.last_pass else None
        longest = timedelta(hours=2 * settings.CC_LOG_VERIFICATION_HOURS + 1)
        return self.is_continuous and ended_at is not None and now - ended_at > longest

    @property
    def is_under_way(self) -> bool:
        return self.percent not in {None, _ALL} and self.is_continuous

    @property
    def is_continuous(self) -> bool:
        return bool(settings.CC_LOG_VERIFICATION_HOURS)


def last_verification() -> Verification | None:
    """The newest recorded verification. Raises KekUnavailable and UnwrapFailed."""
    return _newest([actions.LOG_VERIFIED]).get(actions.LOG_VERIFIED)


def last_verifications(progress: float | None) -> Verifications:
    """One statement. ``progress`` is the value of ``timestamps.pass_progress``. Raises KekUnavailable and UnwrapFailed."""
    found = _newest([actions.LOG_VERIFIED, actions.PASS_FINISHED])
    percent = None if progress is None else int(_ALL * min(max(progress, 0.0), 1.0))
    return Verifications(found.get(actions.LOG_VERIFIED), found.get(actions.PASS_FINISHED), percent)


def read_verifications() -> Verifications:
    """Like ``last_verifications``, with a statement for the progress."""
    return last_verifications(Instance.objects.values_list(timestamps.pass_progress(), flat=True).get())


def _newest(names: Sequence[str]) -> Mapping[str, Verification]:
    rows = [AuditLog.objects.filter(action=name).order_by("-id")[:1] for name in names]  # noqa: CC2 - the results of verifications
    found = find_entries(AuditLog.objects.filter(id__in=AnyOf(rows)))  # noqa: CC2 - the same
    return {str(entry.columns["action"]): _verification(entry) for entry in found}


def _verification(entry: FoundEntry) -> Verification:
    ended_at = timestamp_of(entry.columns["timestamp"])
    if entry.faults:
        return Verification(ended_at, None)
    meta = json.loads(str(entry.columns["meta"]))
    result = Result(str(entry.columns["code"]) or Result.OK)
    return Verification(ended_at, result, meta.get("findings"), meta.get("entries"))
