"""Reading one row."""

from typing import Any

from django.db.models import QuerySet

from kernel.errors import NotFound


def first_of[T](rows: QuerySet[Any, T]) -> T:
    """The first row. Raises NotFound if there is none."""
    row = rows.first()
    if row is None:
        raise NotFound
    return row
