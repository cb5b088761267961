"""Heads: a digest of the contents of each row of the state, in a table of their own, written in the same transaction.

A row that decides a request is read together with its head, in one statement. So an older row that was put back, or one
that had been deleted, decides nothing. The sums of the state reveal a head that was put back together with its row.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from django.db import models
from django.db.models import CharField, Func, QuerySet

from kernel.trust.row_mac import MacProtectedRow, altered
from kernel.trust.row_state import digest_of

type _Report = Callable[[type[MacProtectedRow]], object]


def with_heads[Row: models.Model](rows: QuerySet[Row], *relations: str) -> QuerySet[Row]:
    """Also read the heads of the rows, and of those that these foreign keys refer to, for ``check_current``."""
    heads: dict[str, Any] = {
        _column(name): _Head(name or "pk", table=model.MAC_LABEL)
        for name, model in _rows(rows.model, relations)
    }
    return cast("QuerySet[Row]", rows.annotate(**heads))


def check_current[Row: models.Model](row: Row, *relations: str) -> Row:
    """The row itself, read ``with_heads`` of the same relations.

    Raises IntegrityFailed if one of the rows was altered, or is an older one.
    """
    for name, model in _rows(type(row), relations):
        found: Any = getattr(row, name) if name else row
        if found is None:
            continue
        found.check_mac()
        if getattr(row, _column(name)) != digest_of(found.contents):
            for report in _reports:
                report(model)
            raise altered(model)
    return row


def report_older_rows_to(report: _Report) -> None:
    """``report`` gets the table of each row that is not current. It must neither raise nor wait."""
    _reports[:] = [report]


_reports: list[_Report] = []  # noqa: CC6 - the audit app registers in AppConfig.ready


def _rows(model: type[models.Model], relations: Sequence[str]) -> Iterator[tuple[str, type[MacProtectedRow]]]:
    """The table itself, as "", unless it has no MAC, and those of the relations."""
    if issubclass(model, MacProtectedRow):
        yield "", model
    for name in relations:
        field: Any = model._meta.get_field(name)
        yield name, field.related_model


def _column(relation: str) -> str:
    return f"head_of_{relation or 'row'}"


class _Head(Func):
    """The head of a row, by its primary key."""

    # A subquery of the ORM would cost ten times as much to compile, for each row that a request loads.
    template = (
        "(SELECT contents FROM state_heads WHERE id = "
        "'%(table)s:' || replace(CAST(%(expressions)s AS text), '-', ''))"
    )
    output_field = CharField()
