"""The last use of each service token, from the entries as they are sequenced, in the same transaction."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db import connection

from audit.sequencing.rollups import stored_timestamp

SERVICE_TOKEN: Final = "service_token"  # noqa: S105 - the ``auth_method`` of requests with a service token
_UPSERT = """
INSERT INTO token_last_uses (token_id, last_at, client_ip) VALUES (%s, %s, %s)
ON CONFLICT (token_id) DO UPDATE SET last_at = EXCLUDED.last_at, client_ip = EXCLUDED.client_ip
WHERE EXCLUDED.last_at > token_last_uses.last_at
"""


def note_token_uses(rows: Iterable[Mapping[str, Any]]) -> None:
    """Note the tokens of these authentic rows of ``audit_logs``, spelled as in an entry. Raises django.db.Error."""
    newest: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["auth_method"] != SERVICE_TOKEN or not row["token_id"]:
            continue
        known = newest.setdefault(row["token_id"], row)
        if row["timestamp"] > known["timestamp"]:
            newest[row["token_id"]] = row
    if newest:
        values = [
            (each, stored_timestamp(row["timestamp"]), row["client_ip"]) for each, row in newest.items()
        ]
        with connection.cursor() as cursor:
            cursor.executemany(_UPSERT, values)
