"""A union of limited queries as a condition."""

from collections.abc import Iterable
from typing import Any

from django.db.models import BigIntegerField, Expression, QuerySet


class AnyOf(Expression):
    """The ids of the rows of several querysets, which are sorted and limited."""

    output_field = BigIntegerField()

    def __init__(self, parts: Iterable[QuerySet[Any]]) -> None:
        super().__init__()
        self.parts = [part.values("id") for part in parts]

    def as_sql(self, _compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        found = [part.query.get_compiler(connection=connection).as_sql() for part in self.parts]
        # SQLite limits a part of a union only inside of a subquery.
        sql = " UNION ALL ".join(f"SELECT id FROM ({part}) part" for part, _ in found)  # noqa: S608 - from the ORM
        return f"({sql})", tuple(value for _, parameters in found for value in parameters)
