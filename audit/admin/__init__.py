"""The log in Django's admin, for auditors: search, filters, dates, and nothing that changes anything."""

from audit.admin import logs

__all__ = ["logs"]
