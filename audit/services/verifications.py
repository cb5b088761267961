"""How the last verification of the whole log ended: an entry of the log, which its MAC protects."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from audit import actions
from audit.entries import MAC_FIELDS, mac_bytes, values_of
from audit.entry_mac import check_entry_mac
from audit.models import AuditLog
from ciphercanary.crypto.errors import MacMismatch


class Result(StrEnum):
    OK = "ok"
    ALTERED = "altered"
    FAILED = "failed"  # it could not run to its end


@dataclass(frozen=True, slots=True)
class Verification:
    """``result`` is None if the entry was altered: how the verification ended is not known then."""

    ended_at: datetime
    result: Result | None
    entries: int | None = None
    findings: int | None = None


def last_verification() -> Verification | None:
    """The newest that is on record. Raises KekUnavailable and UnwrapFailed."""
    entry = AuditLog.objects.filter(action=actions.LOG_VERIFIED).order_by("-id").first()
    if entry is None:
        return None
    try:
        check_entry_mac(mac_bytes(values_of(entry, MAC_FIELDS)), entry.mac)
    except MacMismatch:
        return Verification(entry.timestamp, None)
    meta: Mapping[str, Any] = json.loads(entry.meta)
    return Verification(
        entry.timestamp, Result(entry.code or Result.OK), meta.get("entries"), meta.get("findings")
    )
