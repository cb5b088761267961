"""Password hashing: Argon2id at the specified cost, with a limit on concurrent hashes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher

from kernel.errors import Throttled
from kernel.observability.metrics import throttled_total
from kernel.runtime import ProcessState

# Each hash takes 64 MiB: eight at once would fill a container of 512 MiB. If there are more workers than hashes, each
# worker still has one slot.
_HASHES_PER_CONTAINER = 3
SECONDS_TO_WAIT = 2.0

_SLOTS = max(1, _HASHES_PER_CONTAINER // settings.CC_WORKERS)
_slots = ProcessState(lambda: threading.BoundedSemaphore(_SLOTS))
# One sign-in may wait for a slot. Others are refused immediately, because waiting sign-ins hold threads that all
# requests need.
_entrances = ProcessState(lambda: threading.BoundedSemaphore(_SLOTS + 1))
_has_slot = ContextVar("_has_slot", default=False)


@contextmanager
def hash_slot() -> Iterator[None]:
    """Hold one of the process's few slots for password hashing. A thread that holds a slot may enter again.

    Raises Throttled if no slot becomes free in time.
    """
    if _has_slot.get():
        yield
        return
    with _entered(_entrances.current, 0), _entered(_slots.current, SECONDS_TO_WAIT):
        token = _has_slot.set(True)
        try:
            yield
        finally:
            _has_slot.reset(token)


@contextmanager
def _entered(semaphore: threading.Semaphore, seconds: float) -> Iterator[None]:
    if not semaphore.acquire(timeout=seconds):
        throttled_total.labels(scope="password_hash").inc()
        raise Throttled("The server is checking too many sign-ins. Try again in a moment.", retry_after=1)
    try:
        yield
    finally:
        semaphore.release()


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id, t = 3, m = 64 MiB, p = 4, 32 bytes of hash (RFC 9106)."""

    time_cost = 3
    memory_cost = 64 * 1024  # KiB
    parallelism = 4

    def encode(self, password: str, salt: str) -> str:
        with hash_slot():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with hash_slot():
            return super().verify(password, encoded)
