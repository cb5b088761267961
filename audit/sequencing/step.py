"""One step of the sequencer: waiting entries get their place in the tree, in one transaction.

They are taken with ``DELETE … RETURNING``, so none is taken twice or skipped, in any order of commits. The
alternatives failed in tests: reading above the last ``id`` lost 1,407 rows that committed late, and waiting for the
oldest running transaction stalled behind a long one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Max

from audit.log import canonical, entries
from audit.log.entry_mac import check_entry_mac
from audit.log.raw_rows import spelled
from audit.models import AuditLeaf, AuditLog, AuditPending
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.appending import append
from audit.sequencing.continuity import find_gaps
from audit.sequencing.leadership import leading
from audit.sequencing.rollups import add_usage
from audit.sequencing.token_uses import note_token_uses
from audit.services.alarms import raise_alarms
from audit.tlog import merkle
from kernel.crypto.errors import MacMismatch

# Entries in one step. Smaller on SQLite, because nothing else can write meanwhile.
BATCH = 20_000
BATCH_ON_SQLITE = 1_000

# The members of version 2. Without an ``actor_id``, the row is of version 1.
_ORDER = entries.ENTRY_ORDERS[2]
_COLUMNS = ", ".join("2" if name == "version" else spelled(AuditLog, [name], "g") for name in _ORDER)
_ID = _ORDER.index("id")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIMESTAMP_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_NUMBERS = (("wseq", int), ("count", int), ("size", int | None), ("object_version", int | None))

type Row = Mapping[str, Any]
"""The members of an entry, in the spelling and the order of its canonical form."""


def batch_size() -> int:
    """The maximum number of entries in one step."""
    return BATCH_ON_SQLITE if settings.CC_SQLITE else BATCH


def sequence_step(*, waits: bool = False) -> int:
    """Give waiting entries their leaves. Returns their number: 0 if another process leads, unless this one ``waits``.

    An invalid entry raises an alarm, and does not stop the others. Raises django.db.Error, and IntegrityFailed if the
    tree itself was altered.
    """
    if not AuditPending.objects.exists():
        return 0
    with leading(waits=waits) as leads:
        return _sequence(_take()) if leads else 0


@dataclass(slots=True)
class _TakenEntries:
    """The entries that were taken. ``alarms`` are about single entries."""

    log_ids: list[int] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    authentic: list[Row] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)

    def add(self, row: Row, mac: object) -> None:
        try:
            _require_form(row)
            octets = canonical.encode_members(row)
        except (TypeError, ValueError):
            # The application cannot have written this number or text. Without bytes there is no hash, so the entry
            # stays without a leaf, and verify_audit_log reports it.
            self.alarms.append(_altered(row, "no canonical form"))
            return
        self.log_ids.append(row["id"])
        self.leaves.append(merkle.leaf_hash(octets))
        self.rows.append(row)
        try:
            check_entry_mac(entries.without_id(octets, row["id"]), row["version"], mac)
        except MacMismatch:
            self.alarms.append(_altered(row, "another content"))
        else:
            self.authentic.append(row)

    def miss(self, log_id: int) -> None:
        missing = Alarm(kind=AlarmKind.ENTRY_MISSING, log_id=log_id, expected="the entry", found="none")
        self.alarms.append(missing)


def _sequence(log_ids: Sequence[int]) -> int:
    taken = _read(log_ids)
    append(taken.log_ids, taken.leaves)
    add_usage(taken.rows)
    note_token_uses(taken.authentic)
    raise_alarms([*taken.alarms, *find_gaps(taken.rows, taken.authentic)])
    return len(taken.leaves)


def _take() -> list[int]:
    # A range instead of a self-join. PostgreSQL's statistics may show an empty table, because it often is. The planner
    # then joins every row with every row: 20,000 of 100,000 took minutes, not 30 ms.
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM audit_pending WHERE log_id <= (SELECT max(log_id) FROM "
            "(SELECT log_id FROM audit_pending ORDER BY log_id LIMIT %s) AS oldest) RETURNING log_id",
            [batch_size()],
        )
        return _without_leaf(sorted(row[0] for row in cursor.fetchall()))


def _without_leaf(log_ids: list[int]) -> list[int]:
    """Remove entries that already have a leaf: a row may have been inserted into the list again."""
    last: int = AuditLeaf.objects.aggregate(last=Max("log_id"))["last"] or 0
    late = [log_id for log_id in log_ids if log_id <= last]
    known = set(AuditLeaf.objects.filter(log_id__in=late).values_list("log_id", flat=True))
    return [log_id for log_id in log_ids if log_id not in known]


def _read(log_ids: Sequence[int]) -> _TakenEntries:
    """The rows as stored now, not as the writing transaction sent them."""
    taken = _TakenEntries()
    rows = _stored(log_ids) if log_ids else {}
    for log_id in log_ids:
        if log_id in rows:
            taken.add(*rows[log_id])
        else:
            taken.miss(log_id)
    return taken


def _stored(log_ids: Sequence[int]) -> dict[int, tuple[Row, object]]:
    """The existing rows, each with its MAC, by id."""
    ids = ", ".join(map(str, log_ids))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_COLUMNS}, g.mac FROM audit_logs g WHERE g.id IN ({ids})")  # noqa: S608 - integers
        return {
            values[_ID]: (_members(dict(zip(_ORDER, values, strict=False))), values[-1])
            for values in cursor.fetchall()
        }


def _members(row: dict[str, Any]) -> Row:
    if row[entries.ACTOR_ID] is None:
        del row[entries.ACTOR_ID]
        row["version"] = 1
    return row


def _require_form(row: Row) -> None:
    """Check columns that later steps read, because SQLite accepts any value in them. Raises TypeError, ValueError."""
    if not _UUID.fullmatch(row["writer"]) or not _TIMESTAMP_FORM.fullmatch(row["timestamp"]):
        raise ValueError("no spelling of an entry")
    for name, kinds in _NUMBERS:
        if not isinstance(row[name], kinds):
            raise TypeError(f"{name} is no number")


def _altered(row: Row, found: str) -> Alarm:
    return Alarm(
        kind=AlarmKind.MAC_MISMATCH,
        log_id=row["id"],
        writer=str(row["writer"]),
        expected="the content of its MAC",
        found=found,
    )
