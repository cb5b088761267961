"""In a web worker on PostgreSQL, the event loop also writes the records of threads, in the same batches."""

import asyncio
from contextvars import copy_context
from typing import Any

from django.conf import settings

from audit.commit import loop_writer, writer
from audit.commit.batches import Ticket, fail
from audit.errors import AuditUnavailable


def begin() -> None:
    """From now on, the running event loop writes what threads pass to ``audit.commit.writer.submit``."""
    if settings.CC_SQLITE:
        return
    # In a context of its own: a batch, or the session that it opens, outlives the request of a thread.
    loop, context = asyncio.get_running_loop(), copy_context()

    def take(ticket: Ticket[Any]) -> bool:
        try:
            loop.call_soon_threadsafe(_enqueue, ticket, context=context)
        except RuntimeError:  # the loop has ended
            return False
        return True

    writer.divert_to(take)


def end() -> None:
    """From now on, the thread writes again."""
    writer.divert_to(None)


def _enqueue(ticket: Ticket[Any]) -> None:
    try:
        loop_writer.enqueue(ticket)
    except AuditUnavailable as refused:
        fail(ticket, refused)
