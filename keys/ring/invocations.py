"""Limits how many messages a key version may seal (NIST SP 800-38D §8.3: random 96-bit nonces wear a key out).

A process reserves invocations by a committed UPDATE *before* it uses them, many at a time, and then counts in
memory. Unused reservations are lost when the process ends. Lost invocations cost nothing, but a repeated nonce
compromises the key.
"""

import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from kernel.databases.transactions import call_in_pool
from kernel.runtime import ProcessState
from keys.errors import UsageLimitReached
from keys.models import KeyVersion

logger = logging.getLogger(__name__)

_LOW: Final = 2**14  # remaining invocations at which a refill starts
FIRST_RESERVATION: Final = 2**16
LARGEST_RESERVATION: Final = 2**20
MAX_COUNTERS: Final = 100_000


class InvocationCounter:
    """The invocations of one version that this process has reserved and not used yet. Thread-safe."""

    __slots__ = ("_is_refilling", "_left", "_lock", "_reserving", "_size", "_version_id")

    def __init__(self, version_id: UUID) -> None:
        self._version_id = version_id
        self._lock = Lock()
        self._left = 0
        self._reserving = Lock()
        self._size = FIRST_RESERVATION
        self._is_refilling = False

    def take(self, limit: int, count: int = 1) -> None:
        """Use ``count`` invocations of a version with the given ``limit``. Raises UsageLimitReached."""
        while not self._take(count):
            with self._reserving:
                if self._left < count:
                    self._reserve(limit, count)

    def take_reserved(self, limit: int, count: int = 1) -> bool:
        """Use reserved invocations. False if there are not enough. If few remain, another thread reserves more."""
        taken = self._take(count)
        if taken and self._left < _LOW and not self._is_refilling:
            self._is_refilling = True
            _counters.current.refills.submit(call_in_pool, self._refill, limit)
        return taken

    def prepare(self, limit: int, count: int) -> None:
        """Reserve ``count`` invocations for ``take_reserved``. Raises UsageLimitReached."""
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
                # Near the limit, stop refilling and leave reservations to ``take``.
                self._is_refilling = not self._reserve_many(limit)
        except Exception:
            logger.exception("invocations of a key version could not be reserved")
            self._is_refilling = False

    def _reserve(self, limit: int, count: int) -> None:
        if self._reserve_many(limit):
            return
        # Near the limit, reserve only as many invocations as are needed now.
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
        # A rollback would release the reservation, and the same invocations would be used twice.
        raise transaction.TransactionManagementError("invocations are reserved outside transactions")
    return bool(
        KeyVersion.objects.filter(pk=version_id, uses_reserved__lte=limit - count).update(  # noqa: CC2, CC3 - a counter of a version in use, which many processes raise without a lock
            uses_reserved=F("uses_reserved") + count
        )
    )


class _Counters:
    """One counter for each version.

    Counters outlive the keyring's entries. An entry is reloaded whenever anything security-relevant changes, including
    any sign-out. If each reload lost the reservation, a busy installation would use up its keys without encrypting.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_version: OrderedDict[UUID, InvocationCounter] = OrderedDict()
        # One thread for all versions: an event loop requests refills, and must not start one thread per key.
        self.refills = ThreadPoolExecutor(1, thread_name_prefix="invocations")

    def get(self, version_id: UUID) -> InvocationCounter:
        with self._lock:
            counter = self._by_version.get(version_id)
            if counter is None:
                counter = self._by_version[version_id] = InvocationCounter(version_id)
            self._by_version.move_to_end(version_id)
            if len(self._by_version) > MAX_COUNTERS:
                self._by_version.popitem(last=False)
            return counter

    def close(self) -> None:
        self.refills.shutdown()


_counters = ProcessState(_Counters)


def counter_of(version_id: UUID) -> InvocationCounter:
    """Return the only counter of a version in this process."""
    return _counters.current.get(version_id)
