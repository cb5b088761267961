"""Read the rows of the log in the order of their ids. The sequencer adds them in this order, so none is missed."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

from audit.log.raw_rows import any_text, rows_of, spelled
from audit.log.row_numbers import last_of, number_of_entries
from audit.models import AuditLog
from canaries.watching.matching import Row

MOST_ROWS: Final = 5_000


def rows_after(last_id: int) -> list[Row]:
    """The next rows, at most ``MOST_ROWS``, with their stored values."""
    columns = spelled(AuditLog, Row._fields, "g")
    statement = f"SELECT {columns} FROM audit_logs g WHERE g.id > %s ORDER BY g.id LIMIT {MOST_ROWS}"  # noqa: S608 - constants
    with connection.cursor(), any_text():
        return [Row._make(_readable(values)) for values in rows_of(statement, [last_id])]


def last_id_of(log_id: Any, entries: Any) -> int:
    """The id of the last entry of a row."""
    return int(last_of(log_id, number_of_entries(entries) - 1))


def _readable(values: Sequence[Any]) -> list[Any]:
    """Someone may have altered a text to another type."""
    log_id, entries, *texts = values
    return [log_id, entries, *("" if text is None else str(text) for text in texts)]
