"""Checks of the database itself: its schema, its indexes, and what it returns to readers."""
