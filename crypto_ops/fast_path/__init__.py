"""Frequent operations without Django, without a query, without a thread."""
