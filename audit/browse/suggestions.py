"""What a reader could filter by: the words that stand in the log."""

from dataclasses import dataclass, field

from django.db import connection

from audit.log.raw_rows import any_text, presentable
from audit.models import READ_PERMISSION, AuditLog, Reader

MOST = 200  # of each
# From one word to the next by the index of its column: as many steps as there are words, however many entries.
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
class Suggestions:
    """In order; ``actors`` only for whoever sees more than his own acts."""

    actions: list[str] = field(default_factory=list)
    actors: list[str] = field(default_factory=list)


def suggest(*, reader: Reader) -> Suggestions:
    """The actions and the actors among the entries that the reader may see, by one statement. Raises Denied."""
    mine, own = "TRUE", []
    columns: tuple[str, ...] = ("action", "actor_name")
    if reader.scope(READ_PERMISSION) != "all":
        mine, columns = "user_id = %s", ("action",)
        own = [AuditLog._meta.get_field("user_id").get_db_prep_value(reader.user_id, connection)] * 2
    known = ", ".join(_KNOWN.format(column=column, mine=mine) for column in columns)
    first = " UNION ALL ".join(_FIRST.format(column=column, most=MOST) for column in columns)
    with any_text(), connection.cursor() as cursor:
        cursor.execute(f"WITH RECURSIVE {known} {first}", own)
        found = [(column, str(presentable(word))) for column, word in cursor.fetchall()]
    return Suggestions(
        sorted(word for column, word in found if column == "action"),
        sorted(word for column, word in found if column == "actor_name"),
    )
