"""Pages of the log in Django's admin, read-only, for auditors."""

from audit.admin import alarms, exports, logs, tree, usage

__all__ = ["alarms", "exports", "logs", "tree", "usage"]
