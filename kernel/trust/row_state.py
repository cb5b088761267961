"""The contents of rows in the state, whose changes the log carries (``audit.sequencing.state``).

An attacker who can write to the database can put back a whole older row with its valid MAC. The sums of the state reveal
that. They also cover columns that a MAC does not cover, such as the use of a recovery code.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models.deletion import Collector

from kernel.databases.changes import Change, note_change

_ADD_HEAD: Final = "INSERT INTO state_heads (id, digest) VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET digest = excluded.digest"
_SET_HEAD: Final = "UPDATE state_heads SET digest = %s WHERE id = %s AND digest = %s"
_REMOVE_HEAD: Final = "DELETE FROM state_heads WHERE id = %s AND digest = %s"


class StatefulRow(models.Model):
    """A row whose changes the log carries. ``STATE`` lists the columns; an empty one leaves the table outside of the state."""

    MAC_LABEL: ClassVar[str]
    STATE: ClassVar[tuple[str, ...]] = ("row_mac",)
    _read: Mapping[str, object] = {}

    class Meta:
        abstract = True

    @property
    def is_authentic(self) -> bool:
        """Whether the row is unchanged since the application wrote it."""
        raise NotImplementedError

    @classmethod
    def not_current(cls) -> Exception:
        """Report the table, because a row is an older one, and return the error."""
        raise NotImplementedError

    @classmethod
    def from_db(cls, *loaded: Any, **options: Any) -> Self:
        row = super().from_db(*loaded, **options)
        row._note_read(None)  # noqa: SLF001 - its own class
        return row

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Any] | None = None,
    ) -> None:
        fields = None if fields is None else list(fields)
        super().refresh_from_db(using, fields, from_queryset)
        self._note_read(fields)

    def _note_read(self, fields: Sequence[str] | None) -> None:
        """All columns were read, or only these ``fields``. A deferred column is not there."""
        read = {name: self.__dict__[name] for name in self.STATE if name in self.__dict__}
        self._read = (
            read
            if fields is None
            else {**self._read, **{name: read[name] for name in fields if name in read}}
        )

    def note_saved(self, fields: Sequence[str] | None, *, is_new: bool) -> None:
        """The row was just saved: all of it, or only these ``fields``.

        Raises KeyError if a column of the state was deferred, and IntegrityFailed if the row that was read is an older one.
        """
        before = "" if is_new else self.contents
        written = {name: getattr(self, name) for name in self.STATE if fields is None or name in fields}
        self._read = {**self._read, **written}
        if not _note_change(self, before, self.contents):
            raise self.not_current()

    @property
    def contents(self) -> str:
        """The contents of the row in the state, as read or saved. Raises KeyError if a column of the state was deferred."""
        return contents_of([self._read[name] for name in self.STATE])


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


def delete_rows(rows: models.QuerySet[Any]) -> None:
    """Delete rows of the state, and those that refer to them with CASCADE.

    Altered rows are deleted, too, but the state then lacks them. Raises ProtectedError for a row that others need.
    """
    with transaction.atomic(savepoint=False):
        collector = Collector(using=rows.db)
        collector.collect(list(rows.select_for_update(of=("self",))))
        cascading = [each.select_for_update() for each in collector.fast_deletes]
        for row in chain(*collector.data.values(), *cascading):
            # An attacker may have altered the columns by which it was found. Then the sums keep it.
            if isinstance(row, StatefulRow) and row.is_authentic:
                _note_change(row, row.contents, "")
        collector.delete()


def write_head(head: str, before: str, after: str) -> bool:
    """Write a head in the transaction that changes the contents of its row. False if it was not that of ``before``.

    Deleting such a row leaves the head, so that findings name the row. Raises django.db.Error.
    """
    with connection.cursor() as cursor:
        if not before:
            cursor.execute(_ADD_HEAD, [head, digest_of(after)])
        elif after:
            cursor.execute(_SET_HEAD, [digest_of(after), head, digest_of(before)])
        else:
            cursor.execute(_REMOVE_HEAD, [head, digest_of(before)])
        return bool(cursor.rowcount == 1)


def head_id(model: type[StatefulRow], pk: object) -> str:
    """The ID of the head of a row. UUIDs have no hyphens, because SQLite stores them without."""
    return f"{model.MAC_LABEL}:{pk.hex if isinstance(pk, UUID) else pk}"


def sql_head_id(model: type[StatefulRow], key: str) -> str:
    """``head_id`` in SQL. ``key`` is the primary key in SQL."""
    field: Any = model._meta.pk
    while field.remote_field:
        field = field.target_field
    text = f"CAST({key} AS text)"
    spelled = f"replace({text}, '-', '')" if isinstance(field, models.UUIDField) else text
    return f"'{model.MAC_LABEL}:' || {spelled}"


def digest_of(contents: str) -> str:
    """The head of a row with these contents."""
    return sha256(contents.encode()).hexdigest()


def contents_of(values: Sequence[object]) -> str:
    """The contents of a row in the state: a JSON list of the values of its columns ``STATE``."""
    return json.dumps([_spelled(value) for value in values])


def _spelled(value: object) -> object:
    """As the database spells it for an entry of the log."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value


def _note_change(row: StatefulRow, before: str, after: str) -> bool:
    """False if the row that changed was not the current one."""
    if not row.STATE or before == after:
        return True
    note_change(Change(row.MAC_LABEL, str(row.pk), before, after))
    return write_head(head_id(type(row), row.pk), before, after)
