"""The contents of rows in the state, whose changes the log carries (``audit.sequencing.state``).

An attacker who can write to the database can put back a whole older row with its valid MAC. The sums of the state reveal
that. They also cover columns that a MAC does not cover, such as the use of a recovery code.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, ClassVar, Self

from django.db import models, transaction
from django.db.models.deletion import Collector

from kernel.databases.changes import Change, note_change


class StatefulRow(models.Model):
    """``STATE`` has the columns of the state: a change of any of them is noted. Without columns, the table is outside of it."""

    MAC_LABEL: ClassVar[str]
    STATE: ClassVar[tuple[str, ...]] = ("row_mac",)
    _read: Mapping[str, object] = {}

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, *loaded: Any, **options: Any) -> Self:
        row = super().from_db(*loaded, **options)
        row._read = {name: row.__dict__.get(name) for name in cls.STATE}  # noqa: SLF001 - its own class
        return row

    def refresh_from_db(self, *arguments: Any, **options: Any) -> None:
        super().refresh_from_db(*arguments, **options)
        if not (arguments or options):
            self._read = {name: getattr(self, name) for name in self.STATE}

    def note_saved(self, fields: Sequence[str] | None, *, is_new: bool) -> None:
        """The row was just saved: all of it, or only these ``fields``."""
        before = "" if is_new else contents_of(list(self._read.values()))
        written = {name: getattr(self, name) for name in self.STATE if fields is None or name in fields}
        self._read = {**self._read, **written}
        _note_change(self, before, contents_of(list(self._read.values())))


def update_state(row: StatefulRow, **columns: object) -> bool:
    """Compare and set columns of the state that no MAC covers. False if the stored row is not the one that was read."""
    known = {name: getattr(row, name) for name in ("row_mac", *columns)}
    with transaction.atomic(savepoint=False):
        if not type(row)._default_manager.filter(pk=row.pk, **known).update(**columns):  # noqa: CC3 - update_state itself
            return False
        for name, value in columns.items():
            setattr(row, name, value)
        row.note_saved(list(columns), is_new=False)
    return True


def delete_rows(rows: models.QuerySet[Any]) -> int:
    """Delete rows of the state, and those that refer to them with CASCADE. Returns the number of ``rows``.

    Raises ProtectedError for a row that others need.
    """
    with transaction.atomic(savepoint=False):
        found = list(rows.select_for_update(of=("self",)))
        collector = Collector(using=rows.db)
        collector.collect(found)
        cascading = [each.select_for_update() for each in collector.fast_deletes]
        for row in chain(*collector.data.values(), *cascading):
            if isinstance(row, StatefulRow):
                _note_change(row, contents_of([getattr(row, name) for name in row.STATE]), "")
        collector.delete()
    return len(found)


def contents_of(values: Sequence[object]) -> str:
    """The contents of a row in the state: its MAC or, with other columns, all of them as a JSON list."""
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return json.dumps([_spelled(value) for value in values])


def _spelled(value: object) -> object:
    """As the database spells it for an entry of the log."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value


def _note_change(row: StatefulRow, before: str, after: str) -> None:
    if row.STATE and before != after:
        note_change(Change(row.MAC_LABEL, str(row.pk), before, after))
