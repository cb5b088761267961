"""Threads of pools, which would keep a database connection from one call to the next."""

from collections.abc import Callable

import django.db


def call_in_pool[T](call: Callable[..., T], *args: object) -> T:
    """What the thread runs: the call, after which the connections that it took are given back."""
    try:
        return call(*args)
    finally:
        django.db.connections.close_all()
