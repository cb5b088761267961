"""Backups and restore drills, from their entries in the log. Commands make both: the server has no place for backups."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accounts.principals import Principal
from audit import actions
from audit.browse.selection import LogCriteria
from audit.log.events import Outcome
from audit.models import AuditLog, Integrity
from audit.services.reading import find_logs, last_done
from audit.services.showing import show_newest
from console.checks import Check, check_backup, check_drill
from console.key_encryption.keks import Keks, check_kek_copy, read_keks
from kernel.clock import process_now

PERMISSION = "system.read"
LIMIT = 25


@dataclass(frozen=True, slots=True)
class _Logged:
    """An entry, and its ``meta``, which is empty if the entry was altered."""

    entry: AuditLog
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Backups:
    """``found`` are the backups of the page, newest first. ``next_before``: None if there are no older ones."""

    checks: Sequence[Check]
    found: Sequence[_Logged]
    next_before: int | None
    drill: _Logged | None
    keks: Keks


def read_backups(*, principal: Principal, before: int | None = None) -> _Backups:
    """The backups older than the entry ``before``, or the newest, and the last restore drill. Raises Denied."""
    principal.require(PERMISSION)
    now, keks = process_now(), read_keks()
    found, next_before = _entries(principal, actions.BACKUP_CREATED, LIMIT, before)
    drills, _ = _entries(principal, actions.BACKUP_DRILLED, 1)
    checks = [
        check_backup(last_done(action=actions.BACKUP_CREATED), now),
        check_drill(drills[0].entry.timestamp if drills else None, now),
        check_kek_copy(keks),
    ]
    return _Backups(checks, found, next_before, drills[0] if drills else None, keks)


def _entries(
    principal: Principal, action: str, limit: int, before: int | None = None
) -> tuple[list[_Logged], int | None]:
    criteria = LogCriteria(action=action, outcome=Outcome.OK.value)
    rows = find_logs(reader=principal, criteria=criteria).order_by("-id")
    entries, next_before = show_newest(rows if before is None else rows.filter(id__lt=before), limit)
    return [_logged(entry) for entry in entries], next_before


def _logged(entry: AuditLog) -> _Logged:
    return _Logged(entry, {} if entry.integrity == Integrity.ALTERED else json.loads(entry.meta))
