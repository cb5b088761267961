"""The values in the log that a reader can filter by."""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from audit.log.raw_rows import any_text, presentable
from audit.models import READ_PERMISSION, AuditLog, Reader

_MOST = 200  # per column
# A skip scan jumps from value to value in the column's index. It costs one step per value, however many entries.
_KNOWN = """
    known_{column}(word) AS (
        SELECT (SELECT min({column}) FROM audit_logs WHERE {mine} AND {column} > '')
        UNION ALL
        SELECT (SELECT min({column}) FROM audit_logs WHERE {mine} AND {column} > known_{column}.word)
        FROM known_{column} WHERE known_{column}.word IS NOT NULL
    )
"""
_FIRST = "SELECT * FROM (SELECT '{column}', word FROM known_{column} WHERE word IS NOT NULL LIMIT {most}) {column}s"


@dataclass(frozen=True, slots=True)
class _Suggestions:
    """Sorted. ``actors`` is empty for a reader who may read only their own entries."""

    actions: list[str] = field(default_factory=list)
    actors: list[str] = field(default_factory=list)


def suggest(*, reader: Reader) -> _Suggestions:
    """The actions and actors of the entries that the reader may see, with one statement. Raises Denied."""
    mine, own = "TRUE", []
    columns: tuple[str, ...] = ("action", "actor_name")
    if reader.scope(READ_PERMISSION) != "all":
        column = "user_id" if reader.identity.user_id else "actor_id"
        mine, columns = f"{column} = %s", ("action",)
        id_field: Any = AuditLog._meta.get_field(column)
        own = [id_field.get_db_prep_value(reader.identity.id, connection)] * 2
    known = ", ".join(_KNOWN.format(column=column, mine=mine) for column in columns)
    first = " UNION ALL ".join(_FIRST.format(column=column, most=_MOST) for column in columns)
    with any_text(), connection.cursor() as cursor:
        cursor.execute(f"WITH RECURSIVE {known} {first}", own)
        found = [(column, str(presentable(word))) for column, word in cursor.fetchall()]
    return _Suggestions(
        sorted(word for column, word in found if column == "action"),
        sorted(word for column, word in found if column == "actor_name"),
    )
