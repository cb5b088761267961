"""Threads of pools, which would otherwise keep a database connection between calls."""

from collections.abc import Callable

import django.db


def call_in_pool[T](call: Callable[..., T], *args: object) -> T:
    """Call the function in this pool thread, then return the database connections that it used."""
    try:
        return call(*args)
    finally:
        django.db.connections.close_all()
