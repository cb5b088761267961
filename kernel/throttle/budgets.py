"""The budget of each principal, as known to this process.

A budget is a bucket of ``rate.count`` requests that starts full and refills evenly. It is stored as one number: the
time at which it will be full again (the *virtual scheduling* form of the leaky bucket, ITU-T I.371, also known as
GCRA). The debt of a principal is the number of seconds until that time.

Several processes serve one principal. If they exchange counts (``kernel.throttle.reconciliation``), each
process may charge at most an allowance beyond its last report. All processes together therefore exceed the rate by
at most ``_TOLERANCE``, at any speed. If they do not exchange counts, each process multiplies every request by the
number of processes.
"""

import math
import threading
from collections.abc import Iterable
from typing import NamedTuple

from kernel.throttle.rates import Rate

_MAX_PRINCIPALS = 100_000
_TOLERANCE = 0.1  # fraction of the rate's count, for all processes together
_MIN_ALLOWANCE = 4  # requests: a tenth of a small rate would refuse requests that arrive within a millisecond
REPLY_TIMEOUT = 0.5  # seconds without a reply from Redis after which requests are no longer refused
RETRY_SOON = 0.1  # seconds within which the reply should arrive


class BudgetState(NamedTuple):
    """``remaining`` of ``limit`` requests. ``reset_seconds``: until it is full or, if none remain, until the next."""

    limit: int
    remaining: int
    reset_seconds: int


class Unreported(NamedTuple):
    """Unreported charges of a principal: requests, and the seconds of debt for them."""

    name: str
    requests: int
    due: float


class Budgets:
    """The budgets of all principals under one rate. Times are monotonic seconds of this process.

    The size is bounded: beyond ``capacity``, the principals with the smallest debt are evicted first, and start
    with a full bucket again.
    """

    def __init__(self, rate: Rate, *, processes: int = 1, capacity: int = _MAX_PRINCIPALS) -> None:
        self.rate = rate
        self.alarm = threading.Event()
        """Set when a principal has so many unreported charges that they should be reported now."""
        self._interval = rate.seconds / rate.count
        # Margin for rounding, for the last request of a full bucket.
        self._depth = rate.seconds + self._interval / 1000
        self._capacity = capacity
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}
        self._unreported: dict[str, int] = {}  # contains only principals of ``_full_at``
        self._price = self._interval
        self._processes = 1
        self._allowance = self._report_threshold = self._report_requested_at = math.inf
        self.count_alone(processes)

    def take(self, name: str, cost: int, now: float) -> float:
        """Charge ``cost`` requests and return 0.0, or charge nothing and return the seconds to wait.

        A cost above the whole budget is admitted when the budget is full, and paid off afterwards.
        """
        due = cost * self._price
        with self._lock:  # an interleaved read between get and set would lose a charge
            full_at = self._full_at.get(name, now)
            full_at = max(now, full_at) + due
            wait = full_at - now - self._depth
            if wait > 0.0 and (wait := wait - max(due - self.rate.seconds, 0.0)) > 0.0:
                return wait
            unreported = self._unreported.get(name, 0)
            if unreported >= self._report_threshold and self._must_wait_for_reply(unreported, now):
                return RETRY_SOON
            self._unreported[name] = unreported + cost
            self._full_at[name] = full_at
            if len(self._full_at) > self._capacity:
                self._make_room(now)
        return 0.0

    def _must_wait_for_reply(self, unreported: int, now: float) -> bool:
        """Request a report of the charges. Whether there are too many without one."""
        if self._report_requested_at == math.inf:
            self._report_requested_at = now
            self.alarm.set()
        return unreported >= self._allowance and now - self._report_requested_at < REPLY_TIMEOUT

    def give_back(self, name: str, cost: int) -> None:
        """Undo a ``take`` of ``cost``."""
        with self._lock:
            if name in self._full_at:
                self._full_at[name] -= cost * self._price
                self._unreported[name] = self._unreported.get(name, 0) - cost

    def budget_state(self, name: str, now: float) -> BudgetState:
        """The remaining budget. A process that counts alone assumes the same usage in the others."""
        owed = max(self._full_at.get(name, now) - now, 0.0)
        remaining = int((self._depth - owed) / self._price) * self._processes
        if remaining > 0:
            return BudgetState(self.rate.count, remaining, math.ceil(owed) or 1)
        return BudgetState(self.rate.count, 0, max(1, math.ceil(owed + self._price - self._depth)))

    # --- other processes

    def count_alone(self, processes: int) -> None:
        """Count without the other processes: if the load is even, the rate holds for all ``processes`` together."""
        self._processes = processes
        self._price = self._interval * processes
        self._allowance = self._report_threshold = self._report_requested_at = math.inf

    def count_together(self, processes: int) -> None:
        """Count with the other processes: each of the ``processes`` may use its part of the tolerance."""
        self._processes = 1
        self._price = self._interval
        self._allowance = max(_MIN_ALLOWANCE, int(self.rate.count * _TOLERANCE) // processes)
        self._report_threshold = self._allowance // 4
        self._report_requested_at = math.inf

    def unreported(self, now: float) -> list[Unreported]:
        """The unreported charges. Debt that has been paid off in the meantime is not reported."""
        with self._lock:
            taken = [(name, count, self._full_at[name] - now) for name, count in self._unreported.items()]
        return [
            Unreported(name, count, min(count * self._interval, max(owed, 0.0)))
            for name, count, owed in taken
        ]

    def settle(self, reported: Iterable[Unreported], owed: Iterable[float], now: float) -> None:
        """Apply a reply: ``reported`` is now reported, ``owed`` is each principal's debt to all processes."""
        for (name, count, _), seconds in zip(reported, owed, strict=True):
            with self._lock:  # lock per principal, because requests are waiting
                rest = self._unreported.pop(name, 0) - count
                if rest:
                    self._unreported[name] = rest
                self._full_at[name] = now + seconds + rest * self._interval

    def _make_room(self, now: float) -> None:
        owing = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
        if len(owing) > self._capacity:
            kept = sorted(owing, key=owing.__getitem__)[len(owing) - self._capacity + self._capacity // 10 :]
            owing = {name: owing[name] for name in kept}
        self._full_at = owing
        self._unreported = {name: count for name, count in self._unreported.items() if name in owing}
