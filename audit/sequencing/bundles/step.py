"""One step of the sequencer: bundles become rows of the log and leaves of the tree, in one transaction.

They are taken with ``DELETE … RETURNING``, so none is taken twice or skipped, in any order of commits. The
alternatives failed in tests: reading above the last ``id`` lost 1,407 rows that committed late, and waiting for the
oldest running transaction stalled behind a long one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import django.db
from django.conf import settings
from django.db import connection, transaction

from audit.log.bundles import Body, Bundle
from audit.log.entry_rows import copy_lines, insert_rows
from audit.models import AuditLog
from audit.sequencing.alarms import Alarm
from audit.sequencing.bundles.appending import Edge
from audit.sequencing.bundles.continuity import Place, find_gaps, overlaps
from audit.sequencing.bundles.expanding import Expanded, expand
from audit.sequencing.bundles.taking import Taken, is_waiting, set_aside, take
from audit.sequencing.leadership import leading
from audit.sequencing.rollups import add_usage
from audit.sequencing.token_uses import note_token_uses
from audit.services.alarms import raise_alarms
from kernel.crypto.errors import MacMismatch
from kernel.trust.row_mac import IntegrityFailed

# Entries in one step. Smaller on SQLite, because nothing else can write meanwhile.
BATCH = 20_000
BATCH_ON_SQLITE = 1_000
_STRAY = (
    "A row was inserted into audit_logs outside the application, with the id of a later entry. Nothing can be sequenced. "
    "Keep a copy of the rows that verify_audit_log reports as not sequenced, and delete them."
)


def batch_size() -> int:
    """The number of entries after which a step takes no further bundle."""
    return BATCH_ON_SQLITE if settings.CC_SQLITE else BATCH


def sequence_step(*, waits: bool = False) -> int:
    """Turn waiting bundles into rows with leaves. Returns the number of entries: 0 if another process leads, unless this
    one ``waits``.

    A bundle that the application did not write raises an alarm, and does not stop the others. Raises django.db.Error,
    and IntegrityFailed if the tree itself was altered.
    """
    if not is_waiting():
        return 0
    with leading(waits=waits) as leads:
        return _sequence(take(batch_size())) if leads else 0


@dataclass(slots=True)
class _Opened:
    """A bundle that the application wrote."""

    taken: Taken
    bundle: Bundle
    body: Body


@dataclass(slots=True)
class _Step:
    """The next entry gets the id ``log_id``. ``rejected`` bundles are not expanded; each has an alarm."""

    log_id: int
    id_shift: int
    expanded: Expanded = field(default_factory=Expanded)
    places: list[Place] = field(default_factory=list)
    rejected: list[Taken] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)

    def reject(self, taken: Taken, reason: str) -> None:
        self.rejected.append(taken)
        self.alarms.append(taken.alarm(reason))

    def store(self, opened: Sequence[_Opened]) -> None:
        """Insert the rows of these bundles. One whose rows the table refuses is rejected alone."""
        part = Expanded()
        try:
            places = _expand(opened, self.log_id, self.id_shift, part)
            with transaction.atomic():
                _insert(part)
        except (django.db.DataError, django.db.IntegrityError, ValueError) as error:
            self._store_halves(opened, error)
        else:
            self.log_id += len(part.leaves)
            self.expanded.extend(part)
            self.places += places

    def _store_halves(self, opened: Sequence[_Opened], error: Exception) -> None:
        if len(opened) > 1:
            half = len(opened) // 2
            self.store(opened[:half])
            self.store(opened[half:])
            return
        if AuditLog.objects.filter(id__gte=self.log_id).exists():  # noqa: CC2 - whether a row is in the way
            raise IntegrityFailed(_STRAY) from error
        self.reject(opened[0].taken, "the log takes no such row")


def _sequence(taken: Sequence[Taken]) -> int:
    edge = Edge.read()
    step = _Step(edge.eras.id_of(edge.eras.size), edge.eras.id_shift)
    opened = list(_open(taken, step))
    repeated = overlaps([each.bundle for each in opened])
    for each, is_repeated in zip(opened, repeated, strict=True):
        if is_repeated:
            step.reject(each.taken, "the log has these numbers already")
    fresh = [each for each, is_repeated in zip(opened, repeated, strict=True) if not is_repeated]
    if fresh:
        step.store(fresh)
        edge.append(step.expanded.leaves, (change for place in step.places for change in place.body.changes))
    rows = [used.row for used in step.expanded.usage]
    add_usage(rows)
    note_token_uses(rows)
    set_aside(step.rejected)
    raise_alarms([*step.alarms, *edge.state.alarms, *find_gaps(step.places)])
    return len(step.expanded.leaves)


def _open(taken: Iterable[Taken], step: _Step) -> Iterator[_Opened]:
    for each in taken:
        try:
            yield _Opened(each, *each.open())
        except MacMismatch:
            step.reject(each, "its MAC does not hold")
        except ValueError as error:
            step.reject(each, str(error))


def _expand(opened: Sequence[_Opened], log_id: int, id_shift: int, part: Expanded) -> list[Place]:
    places, is_sqlite = [], connection.vendor == "sqlite"
    for each in opened:
        first = log_id + len(part.leaves)
        expand(each.bundle, each.body, first, part, id_shift=id_shift, is_sqlite=is_sqlite)
        places.append(Place(each.bundle, each.body, first))
    return places


def _insert(part: Expanded) -> None:
    if connection.vendor == "sqlite":
        insert_rows(part.rows)
    else:
        copy_lines(part.lines)
