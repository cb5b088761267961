"""How often a key version may still seal (NIST SP 800-38D §8.3: random 96-bit nonces wear a key out).

A process reserves invocations by a committed UPDATE *before* it uses them, many at a time, and then counts in
memory. What it has not used when it ends is lost: lost invocations cost nothing, repeated nonces the key.
"""

import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from ciphercanary.threads import call_in_pool
from keys.errors import UsageLimitReached
from keys.models import KeyVersion

logger = logging.getLogger(__name__)

LOW: Final = 2**14  # left: more are reserved before they are missed
FIRST_RESERVATION: Final = 2**16
LARGEST_RESERVATION: Final = 2**20
MAX_COUNTERS: Final = 100_000


# One thread for all versions: an event loop asks for refills, and must not start as many threads as there are keys.
_refills: Final = ThreadPoolExecutor(1, thread_name_prefix="invocations")


class InvocationCounter:
    """What this process has reserved of one version and not used yet. Threads share it."""

    __slots__ = ("_is_refilling", "_left", "_lock", "_reserving", "_size", "_version_id")

    def __init__(self, version_id: UUID) -> None:
        self._version_id = version_id
        self._lock = Lock()
        self._left = 0
        self._reserving = Lock()
        self._size = FIRST_RESERVATION
        self._is_refilling = False

    def take(self, limit: int, count: int = 1) -> None:
        """Use ``count`` invocations of a version that may have ``limit``. Raises UsageLimitReached."""
        while not self._take(count):
            with self._reserving:
                if self._left < count:
                    self._reserve(limit, count)

    def take_held(self, limit: int, count: int = 1) -> bool:
        """Use what is reserved already; False where too few are. Few left are made more, in another thread."""
        taken = self._take(count)
        if taken and self._left < LOW and not self._is_refilling:
            self._is_refilling = True
            _refills.submit(call_in_pool, self._refill, limit)
        return taken

    def prepare(self, limit: int, count: int) -> None:
        """Have ``count`` of them reserved, for ``take_held``. Raises UsageLimitReached."""
        with self._reserving:
            if self._left < count:
                self._reserve(limit, count)

    def _take(self, count: int) -> bool:
        with self._lock:
            if self._left < count:
                return False
            self._left -= count
            return True

    def _refill(self, limit: int) -> None:
        try:
            with self._reserving:
                # Near the limit it is left to ``take``, for good.
                self._is_refilling = not self._reserve_many(limit)
        except Exception:
            logger.exception("invocations of a key version could not be reserved")
            self._is_refilling = False

    def _reserve(self, limit: int, count: int) -> None:
        if self._reserve_many(limit):
            return
        # Of the last invocations only those go out that are needed now.
        if not _reserve_in_database(self._version_id, count, limit):
            raise UsageLimitReached(
                "This key version has encrypted the maximum number of messages that is safe. Rotate the key."
            )
        self._add(count)

    def _reserve_many(self, limit: int) -> bool:
        if not _reserve_in_database(self._version_id, self._size, limit):
            return False
        self._add(self._size)
        self._size = min(self._size * 2, LARGEST_RESERVATION)
        return True

    def _add(self, count: int) -> None:
        with self._lock:
            self._left += count


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
        counter = _counters.get(version_id)
        if counter is None:
            counter = _counters[version_id] = InvocationCounter(version_id)
        _counters.move_to_end(version_id)
        if len(_counters) > MAX_COUNTERS:
            _counters.popitem(last=False)
        return counter


def forget_counters() -> None:
    """Give up every reservation of this process, as its end does."""
    with _counters_lock:
        _counters.clear()
