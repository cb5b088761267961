"""Heads: a digest of the contents of each row of the state, in a table of their own, written in the same transaction.

A row that decides a request is compared with its head. So an older row that was put back, or one that had been deleted,
decides nothing, and cannot be saved. The sums of the state reveal a head that was put back together with its row.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import models
from django.db.models import CharField, Func, QuerySet

from kernel.trust.models import StateHead
from kernel.trust.row_mac import MacProtectedRow
from kernel.trust.row_state import digest_of, head_id, sql_head_id


def current_rows[Row: models.Model](rows: QuerySet[Row], *relations: str) -> Iterator[Row]:
    """The rows, read in one statement with their heads and those of the rows that these foreign keys refer to.

    ``rows`` takes no lock: see ``check_locked``. Raises IntegrityFailed if one of the rows was altered, or is an older one.
    """
    compared = list(_tables(rows.model, relations))
    heads: dict[str, Any] = {_column(name): _head(model, name) for name, model in compared}
    checked: dict[tuple[str, object], Any] = {}  # several rows can refer to the same one
    for row in rows.annotate(**heads):
        for name, _ in compared:
            found: Any = getattr(row, name) if name else row
            if found is None:
                continue
            # Not for the row itself: an attacker can add another row that has the same key for Python.
            if name and (known := checked.get((name, found.pk))) is not None:
                setattr(row, name, known)
                continue
            _check(found, getattr(row, _column(name)))
            checked[name, found.pk] = found
        yield row


def find_current[Row: models.Model](rows: QuerySet[Row], *relations: str) -> Row | None:
    """The first of ``current_rows``, or None. Raises IntegrityFailed."""
    return next(current_rows(rows[:1], *relations), None)


def check_locked(*rows: MacProtectedRow) -> None:
    """Check locked rows. Raises IntegrityFailed.

    It reads the heads in another statement: one that waits for a lock gets the new row with an older head.
    """
    ids = [head_id(type(row), row.pk) for row in rows]
    heads = dict(StateHead.objects.filter(id__in=ids).values_list("id", "digest"))
    for head, row in zip(ids, rows, strict=True):
        _check(row, heads.get(head))


def require_no_head(model: type[MacProtectedRow], pk: object) -> None:
    """Call it if there is no row with this primary key. Raises IntegrityFailed if the row was removed outside the application."""
    if StateHead.objects.filter(id=head_id(model, pk)).exists():
        raise model.not_current()


def _check(row: MacProtectedRow, head: object) -> None:
    if head != digest_of(row.check_mac().contents):
        raise row.not_current()


def _tables(
    model: type[models.Model], relations: Sequence[str]
) -> Iterator[tuple[str, type[MacProtectedRow]]]:
    """The table itself, as "", unless it has no MAC, and those of the relations."""
    if issubclass(model, MacProtectedRow):
        yield "", model
    for name in relations:
        field: Any = model._meta.get_field(name)
        yield name, field.related_model


def _column(relation: str) -> str:
    return f"head_of_{relation or 'row'}"


def _head(model: type[MacProtectedRow], relation: str) -> Func:
    # A subquery of the ORM would cost ten times as much to compile, for each row that a request loads.
    head = f"(SELECT digest FROM state_heads WHERE id = {sql_head_id(model, '%(expressions)s')})"  # noqa: S608 - constants
    return Func(relation or "pk", template=head, output_field=CharField())
