"""What a reader could filter by: the words that stand in the log."""

from django.db import connection

from audit.models import READ_PERMISSION, AuditLog, Reader

LOOKED_AT = 500  # newest entries
MOST_ACTORS = 50
# From one word to the next by the index: as many steps as there are words, however many entries.
_DISTINCT = """
    WITH RECURSIVE known(action) AS (
        SELECT (SELECT min(action) FROM audit_logs WHERE {mine})
        UNION ALL
        SELECT (SELECT min(action) FROM audit_logs WHERE {mine} AND action > known.action)
        FROM known WHERE known.action IS NOT NULL
    )
    SELECT action FROM known WHERE action IS NOT NULL
"""


def known_actions(*, reader: Reader) -> list[str]:
    """Every action among the entries that the reader may see, in order. Raises Denied."""
    mine, own = "TRUE", []
    if reader.scope(READ_PERMISSION) != "all":
        mine = "user_id = %s"
        own = [AuditLog._meta.get_field("user_id").get_db_prep_value(reader.user_id, connection)] * 2
    with connection.cursor() as cursor:
        cursor.execute(_DISTINCT.format(mine=mine), own)
        return [action for (action,) in cursor.fetchall()]


def known_actors(*, reader: Reader) -> list[str]:
    """Who acted in the newest entries that the reader may see. Raises Denied."""
    newest = AuditLog.objects.visible_to(reader).order_by("-id").values_list("actor_name", flat=True)
    return sorted({name for name in newest[:LOOKED_AT] if name})[:MOST_ACTORS]
