"""Compare the schema of the database with that of a freshly migrated one: in verifications, at starts, and in the worker.

Most objects of the schema decide which rows a statement reads or writes. A policy, view, index or function that no
migration created can hide entries from readers, and a missing constraint lets invalid rows in.
"""

import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.sequencing.alarms import Alarm, AlarmKind
from audit.services.alarms import raise_alarms
from audit.verification.findings import Finding, FindingKind
from kernel.databases.applied_migrations import applied_migrations, count_due_migrations
from kernel.databases.catalog.comparing import schema_differences
from kernel.databases.releases import describe_newer_database
from kernel.runtime import ProcessState

_ONE_OF = 3
_UPGRADE_SECONDS = 3600.0  # in which the processes of the earlier version end


@dataclass(slots=True)
class _Upgrade:
    """``since`` is the time at which this process first saw migrations of a newer version, by the monotonic clock."""

    since: float | None = None


_upgrade = ProcessState(_Upgrade)


def check_schema() -> Iterator[Finding]:
    """One finding for each difference, or for migrations that are not those of this version."""
    for text in [problem] if (problem := _incomparable()) else schema_differences():
        yield Finding(FindingKind.SCHEMA, text)


def watch_schema() -> None:
    """Compare at a random third of the calls. Raise an alarm if the schema differs.

    A person who restores the schema for the times of the comparison cannot know them. During an upgrade, processes of the earlier
    version do not compare, because they do not have the newer schema. Raises django.db.Error.
    """
    if not secrets.randbelow(_ONE_OF):
        raise_schema_alarm()


def raise_schema_alarm() -> Sequence[str]:
    """Raise an alarm if the schema differs. Returns the differences. Raises django.db.Error."""
    if found := _find_differences():
        raise_alarms([_alarm_of(found)])
    return found


def has_schema_alarm(evidence: str) -> bool:
    """Whether the schema still has the differences of an alarm with this evidence. Raises django.db.Error."""
    found = _find_differences()
    return bool(found) and _alarm_of(found).evidence == evidence


def _find_differences() -> Sequence[str]:
    """The differences. During an upgrade, a process of the earlier version finds none for ``_UPGRADE_SECONDS``."""
    if not (problem := _incomparable()):
        _upgrade.current.since = None
        found = schema_differences()
        return found if found and not _incomparable() else []  # an upgrade may have been committed meanwhile
    return [problem] if _lasts_too_long() else []


def _incomparable() -> str:
    """Why this version cannot compare the schema; "" if it can."""
    applied = applied_migrations()
    if newer := describe_newer_database(applied):
        return newer
    due = count_due_migrations(applied)
    return f"migrations of this version that have not run: {due}" if due else ""


def _lasts_too_long() -> bool:
    """An invented migration must not end the comparison for ever."""
    upgrade, now = _upgrade.current, time.monotonic()
    if upgrade.since is None:
        upgrade.since = now
    return now >= upgrade.since + _UPGRADE_SECONDS


def _alarm_of(found: Sequence[str]) -> Alarm:
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()
    number = f"{len(found)} difference{'' if len(found) == 1 else 's'}"
    return Alarm(
        kind=AlarmKind.SCHEMA_ALTERED,
        expected="the schema of a freshly migrated database",
        found=f"{number}, such as: {found[0]}",
        identity=f"schema {digest}",
    )
