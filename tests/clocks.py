"""Clocks that a test moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import time_machine
from django.db import connection

from kernel.clock import database_now

# Found before PostgreSQL's own function, in the transaction of the test.
_MOVE = """
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
RETURN pg_catalog.clock_timestamp() + '{seconds} seconds'::interval;
SET search_path = public, pg_catalog
"""
_MOVE_BACK = "RESET search_path; DROP FUNCTION public.clock_timestamp()"


@contextmanager
def travel(to: datetime) -> Iterator[None]:
    """Both clocks show this time: the node's, and the database's on the connection of the test."""
    if connection.vendor != "postgresql":
        with time_machine.travel(to):
            yield
        return
    distance = (to - database_now()).total_seconds()
    with connection.cursor() as cursor:
        cursor.execute(_MOVE.format(seconds=distance))
        try:
            with time_machine.travel(to):
                database_now()
                yield
        finally:
            cursor.execute(_MOVE_BACK)
            database_now()
