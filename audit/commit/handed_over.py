"""Calls of an event loop whose record the thread of ``audit.commit.writer`` writes."""

import asyncio

from audit.commit import writer
from audit.commit.batches import Tickets, Waiting, fail
from audit.errors import AuditUnavailable


class HandedOver:
    """A call that is released in its event loop, although a thread writes its record."""

    def __init__(self, call: Waiting, loop: asyncio.AbstractEventLoop) -> None:
        self.decision, self.until = call.decision, call.until
        self.refusal: Exception | None = None
        self._call, self._loop = call, loop

    def begin(self) -> bool:
        return True

    def release(self) -> None:
        self._call.refusal = self.refusal
        self._loop.call_soon_threadsafe(self._call.release)


def hand_over(calls: Tickets, loop: asyncio.AbstractEventLoop) -> None:
    """Pass the calls to the thread, which decides and writes. If too many are waiting there, the rest is refused."""
    for call in calls:
        try:
            writer.enqueue(HandedOver(call, loop))
        except AuditUnavailable as refused:
            fail(call, refused)
