"""Pages of the log in Django's admin, for auditors. The log is read-only; exports can be requested and cancelled."""

from audit.admin import alarms, exports, logs, saved_filters, tree, usage

__all__ = ["alarms", "exports", "logs", "saved_filters", "tree", "usage"]
