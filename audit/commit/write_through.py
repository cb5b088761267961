"""The event loop of a web worker writes the records of its threads, too: one batch for all costs a tenth.

On SQLite, the thread of ``audit.commit.writer`` writes everything.
"""

import asyncio
from typing import Any

from django.conf import settings

from audit.commit import loop_writer, writer
from audit.commit.batches import Ticket, fail
from audit.errors import AuditUnavailable


def begin() -> None:
    """From now on, the running event loop writes what threads pass to ``audit.commit.writer.submit``."""
    if settings.CC_SQLITE:
        return
    loop = asyncio.get_running_loop()

    def take(ticket: Ticket[Any]) -> bool:
        try:
            loop.call_soon_threadsafe(_enqueue, ticket)
        except RuntimeError:  # the loop has ended
            return False
        return True

    writer.write_through(take)


def end() -> None:
    """From now on, the thread writes again."""
    writer.write_through(None)


def _enqueue(ticket: Ticket[Any]) -> None:
    try:
        loop_writer.enqueue(ticket)
    except AuditUnavailable as refused:
        fail(ticket, refused)
