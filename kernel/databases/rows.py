"""Selecting rows: of several limited queries, of an identity, or one that must exist."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from django.db.models import BigIntegerField, Expression, JSONField, Q, QuerySet, Subquery

from kernel.errors import NotFound
from kernel.identities import Identity

_EACH: Final = "\0"  # in no text of a database


class AnyOf(Expression):
    """The ids of the rows of several querysets, which are sorted and limited."""

    output_field = BigIntegerField()

    def __init__(self, parts: Iterable[QuerySet[Any]]) -> None:
        super().__init__()
        self.parts = [part.values("id") for part in parts]

    def as_sql(self, _compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return _union([part.query.get_compiler(connection=connection).as_sql() for part in self.parts])


class OfEach(Expression):
    """The same for querysets that differ in one text only, such as the key. The ORM compiles one for all."""

    output_field = BigIntegerField()

    def __init__(self, rows: Callable[[str], QuerySet[Any]], texts: Iterable[str]) -> None:
        super().__init__()
        self.part, self.texts = rows(_EACH).values("id"), list(texts)

    def as_sql(self, _compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        sql, values = self.part.query.get_compiler(connection=connection).as_sql()
        return _union([(sql, [text if value == _EACH else value for value in values]) for text in self.texts])


def _union(parts: Sequence[tuple[str, Iterable[Any]]]) -> tuple[str, tuple[Any, ...]]:
    # SQLite limits a part of a union only inside of a subquery.
    sql = " UNION ALL ".join(f"SELECT id FROM ({part}) part" for part, _ in parts)  # noqa: S608 - from the ORM
    return f"({sql})", tuple(value for _, values in parts for value in values)


class RowsOf(Subquery):
    """The rows of a query as a list of lists, in one column of a larger statement, without an order; None if there are none.

    ``columns`` are the names of the columns. JSON contains the values, so a time is a text.
    """

    output_field = JSONField()

    def __init__(self, rows: QuerySet[Any, Any], *columns: str) -> None:
        super().__init__(rows)
        self.columns = columns

    def as_sql(
        self, compiler: Any, connection: Any, template: str | None = None, **extra_context: Any
    ) -> tuple[str, tuple[Any, ...]]:
        names = ", ".join(connection.ops.quote_name(each) for each in self.columns)
        lists = f"JSON_GROUP_ARRAY(JSON_ARRAY({names}))"
        if connection.vendor == "postgresql":
            lists = f"JSONB_AGG(JSONB_BUILD_ARRAY({names}))"
        rows = f"(SELECT {lists} FROM (%(subquery)s) listed)"  # noqa: S608 - from the ORM
        return super().as_sql(compiler, connection, template or rows, **extra_context)


def is_of(identity: Identity, *, user: str, other: str = "actor_id") -> Q:
    """The rows of an identity, which has one column for users, and one for service accounts: ``user`` is the column of users' ids, ``other`` that of accounts' ids.

    The system has no rows: if both columns are null, the actor may be an anonymous client.
    """
    if identity.id is None:
        return Q(pk__in=())
    return Q(**{user if identity.user_id else other: identity.id})


def first_of[T](rows: QuerySet[Any, T]) -> T:
    """The first row. Raises NotFound if there is none."""
    row = rows.first()
    if row is None:
        raise NotFound
    return row
