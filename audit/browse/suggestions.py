"""The values in the log that a reader can filter by."""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from audit.log.raw_rows import any_text, presentable
from audit.models import READ_PERMISSION, AuditLog, Reader
from audit.models.hashed import hash_of

_MOST = 200  # per column
# A skip scan jumps from value to value in an index. It costs one step per value, however many entries.
_KNOWN = """
    known_{column}(place) AS (
        SELECT (SELECT min({indexed}) FROM audit_logs WHERE {mine})
        UNION ALL
        SELECT (SELECT min({indexed}) FROM audit_logs WHERE {mine} AND {indexed} > known_{column}.place)
        FROM known_{column} WHERE known_{column}.place IS NOT NULL
    )
"""
_FIRST = """
    SELECT * FROM (
        SELECT '{column}', (SELECT {column} FROM audit_logs WHERE {mine} AND {indexed} = place LIMIT 1)
        FROM known_{column} WHERE place IS NOT NULL LIMIT {most}
    ) {column}s
"""


@dataclass(frozen=True, slots=True)
class _Suggestions:
    """Sorted. ``actors`` is empty for a reader who may read only their own entries."""

    actions: list[str] = field(default_factory=list)
    actors: list[str] = field(default_factory=list)


def suggest(*, reader: Reader) -> _Suggestions:
    """The actions and actors of the entries that the reader may see, with one statement. Raises Denied."""
    mine, own = "TRUE", []
    # The index of a reader's own entries has the actions themselves.
    columns = {name: hash_of(AuditLog._meta.get_field(name), name) for name in ("action", "actor_name")}
    if reader.scope(READ_PERMISSION) != "all":
        column = "user_id" if reader.identity.user_id else "actor_id"
        mine, columns = f"{column} = %s", {"action": "action"}
        id_field: Any = AuditLog._meta.get_field(column)
        own = [id_field.get_db_prep_value(reader.identity.id, connection)] * 3
    each = [
        {"column": name, "indexed": indexed, "mine": mine, "most": _MOST} for name, indexed in columns.items()
    ]
    known = ", ".join(_KNOWN.format(**names) for names in each)
    first = " UNION ALL ".join(_FIRST.format(**names) for names in each)
    with any_text(), connection.cursor() as cursor:
        cursor.execute(f"WITH RECURSIVE {known} {first}", own)
        found = [(column, text) for column, word in cursor.fetchall() if (text := str(presentable(word)))]
    return _Suggestions(
        sorted(word for column, word in found if column == "action"),
        sorted(word for column, word in found if column == "actor_name"),
    )
