"""The heads of stored rows (``kernel.trust.row_heads``), for comparisons of whole tables."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from django.db import connection, transaction

from audit.log.raw_rows import any_text, presentable, rows_of, spelled
from kernel.trust.row_mac import MacProtectedRow
from kernel.trust.row_state import contents_of, digest_of, sql_head_id, write_head

_KEY = re.compile(r"[0-9A-Za-z]{1,40}")


class _RowWithHead(NamedTuple):
    """The primary key, the contents, and the ID and the digest of the head as stored; None if there is none."""

    key: str
    contents: str
    head_id: str
    head: object

    @property
    def is_current(self) -> bool:
        return self.head == digest_of(self.contents)


def rows_with_heads(model: type[MacProtectedRow], *, locked: bool = False) -> Iterator[_RowWithHead]:
    """All rows of a table. Raises django.db.Error."""
    key = model._meta.pk.column
    columns = spelled(model, [model._meta.pk.name, *model.STATE], "r")
    head = _head_id(model)
    # In the order of requests that lock several rows.
    lock = f" ORDER BY r.{key} FOR NO KEY UPDATE OF r" if locked and connection.vendor == "postgresql" else ""
    statement = (
        f"SELECT {columns}, {head}, h.digest FROM {model._meta.db_table} r "  # noqa: S608 - constants
        f"LEFT JOIN state_heads h ON h.id = {head}{lock}"
    )
    for pk, *values, head_id, digest in rows_of(statement):
        contents = contents_of([presentable(value) for value in values])
        yield _RowWithHead(str(presentable(pk)), contents, str(presentable(head_id)), digest)


def renew_heads(model: type[MacProtectedRow]) -> None:
    """Make the heads of a table those of its rows as they are. Changes of them wait meanwhile. Raises django.db.Error."""
    with any_text(), transaction.atomic():
        for row in list(rows_with_heads(model, locked=True)):
            if not row.is_current:
                write_head(row.head_id, "", row.contents)
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM state_heads WHERE id IN ({_without_row(model)})", _like(model))  # noqa: S608 - constants


def missing_rows(model: type[MacProtectedRow], limit: int) -> list[str]:
    """Heads without a row: their primary keys, without hyphens. An attacker can write any text there. Raises django.db.Error."""
    found = rows_of(f"{_without_row(model)} ORDER BY id LIMIT {limit}", _like(model))
    keys = (str(presentable(head)).partition(":")[2] for (head,) in found)
    return [key if _KEY.fullmatch(key) else "an invalid key" for key in keys]


def _head_id(model: type[MacProtectedRow]) -> str:
    return sql_head_id(model, f"r.{model._meta.pk.column}")


def _without_row(model: type[MacProtectedRow]) -> str:
    # EXCEPT, because SQLite would read the whole table for each head with NOT EXISTS.
    rows = f"SELECT {_head_id(model)} FROM {model._meta.db_table} r"  # noqa: S608 - constants
    return f"SELECT id FROM state_heads WHERE id LIKE %s EXCEPT {rows}"  # noqa: S608 - constants


def _like(model: type[MacProtectedRow]) -> list[str]:
    return [f"{model.MAC_LABEL}:%"]
