"""Writing the log, and reading it."""

from audit.services.reading import find_changes, find_log, find_logs
from audit.services.recording import record, record_refusal

__all__ = ["find_changes", "find_log", "find_logs", "record", "record_refusal"]
