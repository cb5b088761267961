"""Write and read the log."""

from audit.services.exports import (
    Exporter,
    cancel_export,
    find_export,
    find_exports,
    find_result,
    open_result,
    request_export,
)
from audit.services.reading import find_changes, find_logs, last_done, logged_names
from audit.services.recording import record, record_alone
from audit.services.searching import search_logs

__all__ = [
    "Exporter",
    "cancel_export",
    "find_changes",
    "find_export",
    "find_exports",
    "find_logs",
    "find_result",
    "last_done",
    "logged_names",
    "open_result",
    "record",
    "record_alone",
    "request_export",
    "search_logs",
]
