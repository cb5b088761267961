"""Columns whose indexes have their hash.

A PostgreSQL index of a wide column and an id takes up to 100 bytes for each row, that of its 64-bit hash 30: PostgreSQL
splits its pages in the middle unless an item is at most as wide as two bigints. SQLite has no such function, and its
indexes have the values.
"""

from typing import Any

from django.db import connection, models
from django.db.models.expressions import Col
from django.db.models.lookups import Exact, In


class HashedTextField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """Comparisons with values also compare the hashes, and so use an index with ``HashOf``."""

    hash_function = "hashtextextended"


class HashedUUIDField(models.UUIDField):  # type: ignore[type-arg]
    """See ``HashedTextField``."""

    hash_function = "uuid_hash_extended"


def hash_of(field: Any, sql: str) -> str:
    """The expression in an index: the hash on PostgreSQL, the value itself on SQLite."""
    return f"{field.hash_function}({sql}, 0)" if connection.vendor == "postgresql" else sql


class HashOf(models.Func):
    """``hash_of`` the column."""

    output_field = models.BigIntegerField()

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:  # type: ignore[override]  # noqa: ARG002 - Django's signature, without options
        [column] = self.get_source_expressions()
        field: Any = column
        sql, parameters = compiler.compile(column)
        return hash_of(field.target, sql), parameters


@HashedTextField.register_lookup
@HashedUUIDField.register_lookup
class _Exact(Exact):
    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        sql, parameters = self.as_sql(compiler, connection)
        if not isinstance(self.lhs, Col):
            return sql, parameters
        column, _ = self.process_lhs(compiler, connection)
        value, of_value = self.process_rhs(compiler, connection)
        field = self.lhs.output_field
        return f"({hash_of(field, column)} = {hash_of(field, value)} AND {sql})", (*of_value, *parameters)


@HashedTextField.register_lookup
@HashedUUIDField.register_lookup
class _In(In):
    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        sql, parameters = self.as_sql(compiler, connection)
        if not isinstance(self.lhs, Col) or not self.rhs_is_direct_value():
            return sql, parameters
        column, _ = self.process_lhs(compiler, connection)
        field = self.lhs.output_field
        hashes = ", ".join([hash_of(field, "%s")] * len(parameters))
        return f"({hash_of(field, column)} IN ({hashes}) AND {sql})", (*parameters, *parameters)
