"""The log in Django's admin, for auditors: search, filters, dates, and nothing that changes anything."""

from audit.admin import alarms, exports, logs, saved_filters, tree, usage

__all__ = ["alarms", "exports", "logs", "saved_filters", "tree", "usage"]
