"""Read a sample of the log again the way readers do: with their filters, and outside of the snapshot of the verification.

A row-level policy can hide rows from all statements except those of a verification, and an index can lack them.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection

from audit.browse.selection import LogCriteria, parse_id
from audit.log.events import Outcome
from audit.log.packed_rows import COLUMNS
from audit.models import AuditSegment
from audit.services.reading import find_logs
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import Seen
from kernel.databases.application_name import application_name
from kernel.identities import Identity
from kernel.rules import PermissionScope

_FILTERS: Final = {
    name: COLUMNS.index(column)
    for name, column in {
        "actor": "actor_name",
        "action": "action",
        "object_id": "object_id",
        "outcome": "outcome",
    }.items()
}
_ACTION, _OUTCOME = COLUMNS.index("action"), COLUMNS.index("outcome")
_MOST = 100  # values of each filter
_FRACTIONS = 2**32


class _Auditor:
    """A reader who may read every entry."""

    identity = Identity.SYSTEM

    def scope(self, word: str) -> PermissionScope:  # noqa: ARG002 - of the protocol
        return "all"


@dataclass(slots=True)
class _Sample:
    """A random one of the ``rows`` that have a value."""

    rows: int = 0
    row: Seen | None = None
    next: int = 1  # the row that replaces the current one; beyond n with the probability rows / n

    def add(self, row: Seen) -> None:
        self.rows += 1
        if self.rows == self.next:
            self.row = row
            self.next = self.rows * _FRACTIONS // (secrets.randbelow(_FRACTIONS) + 1) + 1


@dataclass(slots=True)
class _Values:
    """A sample of each value of a filter, or of ``_MOST`` random values."""

    samples: dict[str, _Sample] = field(default_factory=dict)
    others: int = 0  # rows with a value that is not among them

    def add(self, value: str, row: Seen) -> None:
        if (sample := self.samples.get(value)) is None:
            self.others += 1
            if self.others > _MOST:
                if secrets.randbelow(self.others) >= _MOST:
                    return
                del self.samples[secrets.choice(list(self.samples))]
            sample = self.samples[value] = _Sample()
        sample.add(row)


class Readers:
    """Chooses a row of each value of each filter. ``finish`` reads them."""

    def __init__(self) -> None:
        self._values = {name: _Values() for name in _FILTERS}

    def check(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        """Choose. There are no findings here."""
        for row in seen:
            if row.index is None or row.log_id is None or not row.inspection.is_authentic:
                continue
            for name, place in _FILTERS.items():
                # A name that is spelled like an id would select that id.
                if (value := row.values[place]) and (name != "actor" or parse_id(value) is None):
                    self._values[name].add(value, row)
        yield from ()

    def finish(self) -> Iterator[Finding]:
        """Read the rows. Call it after the snapshot. Raises django.db.Error."""
        samples = [
            (name, value, sample.row)
            for name, values in self._values.items()
            for value, sample in values.samples.items()
            if sample.row
        ]
        with _as_web_worker():
            for name, value, row in samples:
                if not _is_found(name, value, row) and not _was_archived(row):
                    text = f"the database does not return the row to readers who filter by {name}"
                    yield Finding(FindingKind.HIDDEN, text, log_id=row.log_id)


@contextmanager
def _as_web_worker() -> Iterator[None]:
    """A policy of PostgreSQL can depend on the name of the program."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", [application_name(["gunicorn"])])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET application_name")


def _is_found(name: str, value: str, row: Seen) -> bool:
    """Whether the row is the newest one up to its id, as on a page of the log."""
    criteria: Any = {name: value}
    found = find_logs(reader=_Auditor(), criteria=LogCriteria(**criteria), names={})
    ids = found.filter(id__lte=row.log_id).order_by("-id").values_list("id", flat=True)
    return ids.first() == row.log_id


def _was_archived(row: Seen) -> bool:
    """Whether the archive may have removed the row since the snapshot: it removes successful operations only."""
    if row.values[_OUTCOME] != Outcome.OK or not row.values[_ACTION].startswith("crypto."):
        return False
    return AuditSegment.objects.filter(first_id__lte=row.log_id, last_id__gte=row.log_id).exists()
