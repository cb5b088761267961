"""The result of the last full verification, from its log entry, which is checked against its leaf and its MAC."""

import json
from dataclasses import dataclass
from datetime import datetime

from audit import actions
from audit.log.raw_rows import timestamp_of
from audit.models import AuditLog
from audit.verification.findings import Result
from audit.verification.integrity import find_entries


@dataclass(frozen=True, slots=True)
class Verification:
    """``result`` is None if the entry was altered, and ``ended_at`` is None if its time is unreadable."""

    ended_at: datetime | None
    result: Result | None
    findings: int | None = None

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


def last_verification() -> Verification | None:
    """The newest recorded verification. Raises KekUnavailable and UnwrapFailed."""
    newest = find_entries(AuditLog.objects.filter(action=actions.LOG_VERIFIED).order_by("-id")[:1])  # noqa: CC2 - the result of the last verification
    if not newest:
        return None
    [entry] = newest
    ended_at = timestamp_of(entry.columns["timestamp"])
    if entry.faults:
        return Verification(ended_at, None)
    findings = json.loads(str(entry.columns["meta"])).get("findings")
    return Verification(ended_at, Result(str(entry.columns["code"]) or Result.OK), findings)
