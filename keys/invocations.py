"""How often a key version may still seal (NIST SP 800-38D §8.3: random 96-bit nonces wear a key out).

A process reserves invocations by a committed UPDATE *before* it uses them, many at a time, and then counts in
memory. What it has not used when it ends is lost: lost invocations cost nothing, repeated nonces the key.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from keys.errors import UsageLimitReached
from keys.models import KeyVersion

FIRST_RESERVATION: Final = 2**16
LARGEST_RESERVATION: Final = 2**20
MAX_COUNTERS: Final = 100_000


class InvocationCounter:
    """What this process has reserved of one version and not used yet. Threads share it."""

    __slots__ = ("_left", "_lock", "_size", "_version_id")

    def __init__(self, version_id: UUID) -> None:
        self._version_id = version_id
        self._lock = Lock()
        self._left = 0
        self._size = FIRST_RESERVATION

    def take(self, limit: int) -> None:
        """Use one invocation of a version that may have ``limit``. Raises UsageLimitReached."""
        with self._lock:
            if not self._left:
                self._left = self._reserve(limit)
            self._left -= 1

    def _reserve(self, limit: int) -> int:
        size = self._size
        if not _reserve_in_database(self._version_id, size, limit):
            size = 1  # near the limit the last invocations go out one by one
            if not _reserve_in_database(self._version_id, size, limit):
                raise UsageLimitReached(
                    "This version has encrypted as many messages as is safe. Rotate the key."
                )
        self._size = min(self._size * 2, LARGEST_RESERVATION)
        return size


def _reserve_in_database(version_id: UUID, count: int, limit: int) -> bool:
    if connection.in_atomic_block:
        # Were it rolled back, the same invocations would be given out twice.
        raise transaction.TransactionManagementError("invocations are reserved outside transactions")
    return bool(
        KeyVersion.objects.filter(pk=version_id, uses_reserved__lte=limit - count).update(
            uses_reserved=F("uses_reserved") + count
        )
    )


# Counters outlive the keyring's entries. An entry is reloaded whenever anything security-relevant changes, a
# log-out somewhere included; were its reservation lost each time, a busy installation would wear its keys out
# without encrypting.
_counters: OrderedDict[UUID, InvocationCounter] = OrderedDict()
_counters_lock = Lock()


def counter_of(version_id: UUID) -> InvocationCounter:
    """The process's one counter of a version."""
    with _counters_lock:
        counter = _counters.setdefault(version_id, InvocationCounter(version_id))
        _counters.move_to_end(version_id)
        if len(_counters) > MAX_COUNTERS:
            _counters.popitem(last=False)
        return counter


def forget_counters() -> None:
    """Give up every reservation of this process, as its end does."""
    with _counters_lock:
        _counters.clear()
