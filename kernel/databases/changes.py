"""Changes of rows that an entry of the log carries. Each belongs to the transaction that made it.

``record`` takes the changes that its transaction has made so far. Before a commit, an entry of its own takes the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from django.db import connection, transaction


class Change(NamedTuple):
    """A row was inserted, updated or deleted. ``table`` is the label of its table, ``key`` its primary key.

    ``before`` and ``after`` identify its contents, such as by its MAC; "" if there is no row.
    """

    table: str
    key: str
    before: str
    after: str


type _Recorder = Callable[[Sequence[Change]], object]


@dataclass(slots=True)
class _Noted:
    """``made_in`` and ``taken_in`` are the open savepoints at that time. None: no entry has taken it."""

    change: Change
    made_in: frozenset[str | None]
    taken_in: frozenset[str | None] | None = None


class CarriesChanges:
    """A mixin for Django's wrapper of a connection, which it goes before: the changes of its transaction."""

    in_atomic_block: bool
    savepoint_ids: list[str | None]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._noted: list[_Noted] = []

    def note_change(self, change: Change) -> None:
        if not self.in_atomic_block:
            raise transaction.TransactionManagementError(
                "a protected row is changed inside a transaction only"
            )
        self._noted.append(_Noted(change, frozenset(self.savepoint_ids)))

    def take_changes(self) -> list[Change]:
        taken = [noted for noted in self._noted if noted.taken_in is None]
        for noted in taken:
            noted.taken_in = frozenset(self.savepoint_ids)
        return [noted.change for noted in taken]

    def savepoint_rollback(self, sid: str) -> None:
        super().savepoint_rollback(sid)  # type: ignore[misc]  # of Django's wrapper
        self._noted = [noted for noted in self._noted if sid not in noted.made_in]
        for noted in self._noted:
            if noted.taken_in is not None and sid in noted.taken_in:
                noted.taken_in = None  # the entry that took it was rolled back

    def commit(self) -> None:
        if rest := [noted.change for noted in self._noted if noted.taken_in is None]:
            self._record_rest(rest)
        super().commit()  # type: ignore[misc]  # likewise
        self._noted.clear()

    def rollback(self) -> None:
        self._noted.clear()
        super().rollback()  # type: ignore[misc]  # likewise

    def close(self) -> None:
        self._noted.clear()
        super().close()  # type: ignore[misc]  # likewise

    def _record_rest(self, rest: Sequence[Change]) -> None:
        """Django has left the atomic block, but its transaction is still open."""
        self.in_atomic_block = True
        try:
            _recorder[0](rest)
        except Exception:
            self.in_atomic_block = False  # otherwise Django refuses the rollback
            self.rollback()  # Django itself rolls back after errors of the database only
            raise
        finally:
            self.in_atomic_block = False


_recorder: list[_Recorder] = []  # noqa: CC6 - the audit app registers in AppConfig.ready


def record_rest_with(record: _Recorder) -> None:
    """Before a commit, ``record`` gets the changes that no entry has taken, and writes an entry that takes them."""
    _recorder[:] = [record]


def note_change(change: Change) -> None:
    """Add the change to the next entry of the transaction. Raises TransactionManagementError outside a transaction."""
    _connection().note_change(change)


def take_changes() -> list[Change]:
    """The changes of the transaction that no entry has taken. The caller writes them into one."""
    return _connection().take_changes()


def _connection() -> CarriesChanges:
    return cast("CarriesChanges", connection)
