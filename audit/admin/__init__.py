"""The log in Django's admin, for auditors: search, filters, dates, and nothing that changes anything."""

from audit.admin import exports, logs, saved_filters, tree, usage

__all__ = ["exports", "logs", "saved_filters", "tree", "usage"]
