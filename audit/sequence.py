"""Who writes, and the number of the next row: what makes a removed row visible.

Each thread is a writer of its own: it has one transaction at a time, so ``max + 1`` inside that transaction is
dense whatever is rolled back, to a savepoint or altogether, and no two threads wait for each other.
"""

import os
import threading
import uuid

from django.db.models import Max

from audit.models import AuditLog

_local = threading.local()


def current_writer() -> uuid.UUID:
    """The id of this thread of this process; a forked child does not inherit its parent's."""
    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.writer = os.getpid(), uuid.uuid4()
    writer: uuid.UUID = _local.writer
    return writer


def next_wseq(writer: uuid.UUID) -> int:
    """The number after the writer's last one, from 1, as this transaction sees it."""
    last: int | None = AuditLog.objects.filter(writer=writer).aggregate(last=Max("wseq"))["last"]
    return (last or 0) + 1
