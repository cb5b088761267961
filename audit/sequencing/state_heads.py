"""The heads of stored rows (``kernel.trust.row_heads``), for comparisons of whole tables."""

from collections.abc import Iterator, Sequence
from itertools import batched

from django.db import connection, transaction

from audit.log.raw_rows import any_text, presentable, rows_of, spelled
from kernel.databases.changes import Change
from kernel.trust.row_mac import MacProtectedRow
from kernel.trust.row_state import contents_of, digest_of, head_id, write_heads

_AT_ONCE = 500  # rows that are locked


def rows_with_heads(model: type[MacProtectedRow]) -> Iterator[tuple[str, str, object]]:
    """The primary key, the contents and the head of each stored row; None if it has none. Raises django.db.Error."""
    return _read(_statement(model))


def renew_heads(model: type[MacProtectedRow]) -> None:
    """Make the heads of a table those of its rows as they are. Locks some rows at a time. Raises django.db.Error."""
    lock = " FOR UPDATE OF r" if connection.vendor == "postgresql" else ""
    with any_text():
        wrong = [key for key, contents, head in rows_with_heads(model) if head != digest_of(contents)]
        for keys in batched(wrong, _AT_ONCE):
            places = ", ".join(["%s"] * len(keys))
            statement = f"{_statement(model)} WHERE {_id_of(model)} IN ({places}){lock}"
            with transaction.atomic():
                locked = _read(statement, [head_id(model.MAC_LABEL, key) for key in keys])
                write_heads([Change(model.MAC_LABEL, key, "", contents) for key, contents, _ in locked])
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM state_heads WHERE {_is_without_row(model)}", [_of_table(model)])  # noqa: S608 - constants


def missing_rows(model: type[MacProtectedRow]) -> list[str]:
    """The primary keys of heads without a row, without hyphens. Raises django.db.Error."""
    statement = f"SELECT id FROM state_heads WHERE {_is_without_row(model)} ORDER BY id"  # noqa: S608 - constants
    found = rows_of(statement, [_of_table(model)])
    return [str(presentable(head)).partition(":")[2] for (head,) in found]


def _statement(model: type[MacProtectedRow]) -> str:
    columns = spelled(model, [model._meta.pk.name, *model.STATE], "r")
    heads = f"LEFT JOIN state_heads h ON h.id = {_id_of(model)}"
    return f"SELECT {columns}, h.contents FROM {model._meta.db_table} r {heads}"  # noqa: S608 - constants


def _id_of(model: type[MacProtectedRow]) -> str:
    """``row_heads.head_id`` of the row ``r``, in SQL."""
    return f"'{model.MAC_LABEL}:' || replace(CAST(r.{model._meta.pk.column} AS text), '-', '')"


def _is_without_row(model: type[MacProtectedRow]) -> str:
    row = f"SELECT 1 FROM {model._meta.db_table} r WHERE {_id_of(model)} = state_heads.id"  # noqa: S608 - constants
    return f"id LIKE %s AND NOT EXISTS ({row})"


def _of_table(model: type[MacProtectedRow]) -> str:
    return f"{model.MAC_LABEL}:%"


def _read(statement: str, parameters: Sequence[str] = ()) -> Iterator[tuple[str, str, object]]:
    for key, *values, head in rows_of(statement, parameters):
        yield str(presentable(key)), contents_of([presentable(value) for value in values]), head
