"""Check the rows of every table with a MAC: users, keys, sessions and so on."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection, models

from audit.log.canonical import format_timestamp
from audit.log.raw_rows import json_value, rows_of, spelled, typed_field
from audit.models import AuditReceipt, CheckpointKey
from audit.sequencing.state_beginning import has_state_begun
from audit.verification.findings import Finding, FindingKind
from kernel.trust.row_mac import IntegrityFailed, MacProtectedRow

_TYPES: dict[Any, type] = {
    models.BooleanField: int,  # includes bool: SQLite stores 0 and 1
    models.IntegerField: int,
    models.CharField: str,
    models.TextField: str,
}


def check_protected_rows() -> Iterator[Finding]:
    """Check each such table except ``checkpoint_keys``, which is also compared with the log elsewhere.

    Receipts have a MAC only since the state began.
    """
    for model in apps.get_models():
        if not issubclass(model, MacProtectedRow) or model is CheckpointKey:
            continue
        if model is AuditReceipt and not has_state_begun():
            continue
        for key, row in stored_rows(model):
            if row is None:
                text = f"the row {key} of {model._meta.db_table} was altered: its MAC does not hold"
                yield Finding(FindingKind.ROW, text)


def stored_rows[Row: MacProtectedRow](
    model: type[Row], order: Sequence[str] = ()
) -> Iterator[tuple[object, Row | None]]:
    """The primary key of each row as stored, and the row, or None if it was altered."""
    written = [field for field in model._meta.concrete_fields if not field.generated]
    fields = sorted(written, key=lambda field: not field.primary_key)
    columns = ", ".join(spelled(field.model, [field.name], _alias(model, field.model)) for field in fields)
    by = ", ".join(f"r.{connection.ops.quote_name(name)}" for name in order or [str(fields[0].column)])
    statement = f"SELECT {columns} FROM {_tables(model)} ORDER BY {by}"  # noqa: S608 - constants
    for values in rows_of(statement):
        try:
            stored = zip(fields, values, strict=True)
            row = model(**{field.attname: _value(field, value) for field, value in stored})
            yield values[0], row.check_mac()
        except (IntegrityFailed, ValidationError, TypeError, ValueError):
            yield values[0], None


def _tables(model: type[models.Model]) -> str:
    """The table of the model as ``r``, with its row in the table of the model's parent, if it has one."""
    table = f"{model._meta.db_table} r"
    links: dict[type[models.Model], Any] = dict(model._meta.parents)
    for parent, link in links.items():
        alias = _alias(model, parent)
        table += f" LEFT JOIN {parent._meta.db_table} {alias} ON {alias}.{link.target_field.column} = r.{link.column}"
    return table


def _alias(model: type[models.Model], table: type[models.Model]) -> str:
    return "r" if table is model else "parent"


def _value(field: Any, stored: Any) -> Any:
    """The value that the application wrote. Raises for anything else, because Django's fields read more spellings."""
    field = typed_field(field)
    if stored is None:
        return None
    if isinstance(field, models.JSONField):
        return json_value(stored)
    if isinstance(field, models.BinaryField):
        return bytes(memoryview(stored))
    expected = next((kind for base, kind in _TYPES.items() if isinstance(field, base)), str)
    if not isinstance(stored, expected):
        raise TypeError(f"{field.column} holds no {expected.__name__}")
    value = field.to_python(stored)
    if isinstance(field, models.DateTimeField) and format_timestamp(value) != stored:
        raise ValueError(f"{field.column} holds no moment in the application's spelling")
    if isinstance(field, models.UUIDField) and str(value) != stored:
        raise ValueError(f"{field.column} holds no UUID in the application's spelling")
    return value
