"""Writing the log, and reading it."""

from audit.services.reading import find_changes, find_log, find_logs
from audit.services.recording import record, record_alone

__all__ = ["find_changes", "find_log", "find_logs", "record", "record_alone"]
