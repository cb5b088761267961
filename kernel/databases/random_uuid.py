"""A random UUID (version 4) as the default of a column, for rows that other programs insert."""

from typing import Any

from django.db import models


class RandomUUID(models.Func):
    """On SQLite, 32 lower-case hexadecimal digits, as Django stores a UUID there."""

    function = "gen_random_uuid"
    arity = 0
    output_field = models.UUIDField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        version, variant = "'4'", "substr('89ab', 1 + (random() & 3), 1)"
        parts = [_digits(12), version, _digits(3), variant, _digits(15)]
        return self.as_sql(compiler, connection, template=f"({' || '.join(parts)})", **context)


def _digits(count: int) -> str:
    """SQL: random hexadecimal digits."""
    return f"substr(lower(hex(randomblob(8))), 1, {count})"
