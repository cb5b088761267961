"""Retries: which errors, and how long to wait."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from ciphercanary_client.errors import ApiError, Conflict, ConnectionFailed, Error, Throttled, Unavailable

# A repetition does not help: an operator must act first.
_LASTING = {
    "integrity_failed",
    "result_missing",
    "export_not_written",
    "spool_not_written",
    "file_not_stored",
}
# The server refuses the request before it executes anything (docs/api.md). A proxy in front of it sends no code.
_REFUSED_BEFORE_WORK = {"overloaded"}


@dataclass(frozen=True)
class Retries:
    """The limits of retries. All times are in seconds.

    ``attempts`` counts the first one, so 1 disables retries. The pause doubles from ``first_pause`` to
    ``longest_pause``, with jitter, and comes on top of a ``Retry-After``. No attempt begins later than ``total`` after
    the first one.
    """

    attempts: int = 6
    first_pause: float = 0.1
    longest_pause: float = 5.0
    total: float = 30.0


DEFAULT_RETRIES = Retries()
_RANDOM = secrets.SystemRandom()


def is_worth_repeating(error: Error, *, is_repeatable: bool) -> bool:
    """Whether a repetition is safe and can help.

    A request is repeatable if executing it twice does no harm: it only reads or computes, or has an idempotency key.
    Others are repeated only if the server did not execute them.
    """
    if isinstance(error, ConnectionFailed):
        return is_repeatable or not error.was_sent
    if not isinstance(error, ApiError) or error.code in _LASTING:
        return False
    if isinstance(error, Unavailable):
        return is_repeatable or error.code in _REFUSED_BEFORE_WORK
    return isinstance(error, Throttled) or (isinstance(error, Conflict) and error.retry_after is not None)


class Attempts:
    """The attempts of one request."""

    def __init__(
        self,
        retries: Retries,
        *,
        is_repeatable: bool = True,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = _RANDOM.uniform,
    ) -> None:
        self._retries, self._is_repeatable, self._clock, self._uniform = (
            retries,
            is_repeatable,
            clock,
            uniform,
        )
        self._began = clock()
        self._failed = 0

    def pause_after(self, error: Error) -> float:
        """The seconds to wait before the next attempt. Raises ``error`` if there is none."""
        self._failed += 1
        if self._failed >= self._retries.attempts:
            raise error
        if not is_worth_repeating(error, is_repeatable=self._is_repeatable):
            raise error
        longest = min(self._retries.longest_pause, self._retries.first_pause * 2 ** (self._failed - 1))
        pause = self._uniform(longest / 2, longest)
        if isinstance(error, ApiError) and error.retry_after is not None:
            pause += error.retry_after
        if self._clock() - self._began + pause > self._retries.total:
            raise error
        return pause
