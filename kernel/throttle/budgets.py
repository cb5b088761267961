"""The budget of each principal, as far as this process knows it.

A budget is a bucket of ``rate.count`` requests that starts full and refills evenly. It is kept as one number: the
moment at which it will be full again (the *virtual scheduling* form of the leaky bucket, ITU-T I.371, also known
as GCRA). What a principal owes are the seconds until then.

Several processes serve one principal. Where they hear of each other (``kernel.throttle.reconciliation``),
each runs ahead of what it has told by an allowance at most, so that all of them together exceed the rate by
``TOLERANCE`` and no more, however fast they are. Where they do not, each counts a request as many times as there
are processes.
"""

import math
import threading
from collections.abc import Iterable
from typing import NamedTuple

from kernel.throttle.rates import Rate

MAX_PRINCIPALS = 100_000
TOLERANCE = 0.1  # of the rate's count, for all processes together
MIN_ALLOWANCE = 4  # requests: a tenth of a small rate would refuse what arrives within a millisecond
PATIENCE = 0.5  # seconds without an answer after which nobody is refused for want of it
SHORTLY = 0.1  # seconds in which the answer should be there


class Standing(NamedTuple):
    """``remaining`` of ``limit`` requests; ``reset_seconds`` until it is full, or, with none left, until the next."""

    limit: int
    remaining: int
    reset_seconds: int


class Untold(NamedTuple):
    """What a principal has taken here since others were told: requests, and the seconds he still owes for them."""

    name: str
    requests: int
    due: float


class Budgets:
    """The budgets of all principals under one rate. Times are monotonic seconds of this process.

    Bounded: beyond ``capacity``, whoever owes least is forgotten first, and his bucket comes back full.
    """

    def __init__(self, rate: Rate, *, processes: int = 1, capacity: int = MAX_PRINCIPALS) -> None:
        self.rate = rate
        self.alarm = threading.Event()
        """Set when so much was taken that the others should hear of it now."""
        self._interval = rate.seconds / rate.count
        self._depth = (
            rate.seconds + self._interval / 1000
        )  # room for rounding: the last request of a full bucket
        self._capacity = capacity
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}
        self._untold: dict[str, int] = {}  # of these principals alone
        self._price = self._interval
        self._processes = 1
        self._allowance = self._ask_at = self._asked_at = math.inf
        self.count_alone(processes)

    def take(self, name: str, cost: int, now: float) -> float:
        """Take ``cost`` requests: 0.0, or the seconds until they are there, and nothing is taken.

        What costs more than the whole budget is let through when that is full, and paid for afterwards.
        """
        due = cost * self._price
        with self._lock:  # a reader between get and set would lose a charge
            owed = max(self._full_at.get(name, now) - now, 0.0)
            wait = owed + due - self._depth
            if wait > 0.0:
                wait -= max(due - self.rate.seconds, 0.0)
            if wait > 0.0:
                return wait
            untold = self._untold.get(name, 0)
            if untold >= self._ask_at and self._asked_at == math.inf:
                self._asked_at = now
                self.alarm.set()
            if untold >= self._allowance and now - self._asked_at < PATIENCE:
                return SHORTLY
            self._untold[name] = untold + cost
            self._full_at[name] = now + owed + due
            if len(self._full_at) > self._capacity:
                self._make_room(now)
        return 0.0

    def give_back(self, name: str, cost: int) -> None:
        """Undo a ``take`` of ``cost``."""
        with self._lock:
            if name in self._full_at:
                self._full_at[name] -= cost * self._price
                self._untold[name] = self._untold.get(name, 0) - cost

    def standing(self, name: str, now: float) -> Standing:
        """What is left. In a process that counts alone this supposes that the others are used as much."""
        owed = max(self._full_at.get(name, now) - now, 0.0)
        remaining = int((self._depth - owed) / self._price) * self._processes
        if remaining > 0:
            return Standing(self.rate.count, remaining, math.ceil(owed) or 1)
        return Standing(self.rate.count, 0, max(1, math.ceil(owed + self._price - self._depth)))

    # --- other processes

    def count_alone(self, processes: int) -> None:
        """Nothing is heard of others: with ``processes`` that are used alike, the rate holds for all together."""
        self._processes = processes
        self._price = self._interval * processes
        self._allowance = self._ask_at = self._asked_at = math.inf

    def count_together(self, processes: int) -> None:
        """The others are heard of: each of the ``processes`` may run ahead by its part of the tolerance."""
        self._processes = 1
        self._price = self._interval
        self._allowance = max(MIN_ALLOWANCE, int(self.rate.count * TOLERANCE) // processes)
        self._ask_at = self._allowance // 4
        self._asked_at = math.inf

    def untold(self, now: float) -> list[Untold]:
        """What the others have not heard of. What has been refilled meanwhile is owed to nobody."""
        with self._lock:
            taken = [(name, count, self._full_at[name] - now) for name, count in self._untold.items()]
        return [
            Untold(name, count, min(count * self._interval, max(owed, 0.0))) for name, count, owed in taken
        ]

    def settle(self, told: Iterable[Untold], owed: Iterable[float], now: float) -> None:
        """The others know what was ``told``; ``owed`` is what each of these principals owes to all together."""
        for (name, count, _), seconds in zip(told, owed, strict=True):
            with self._lock:  # for one principal at a time: requests are waiting
                rest = self._untold.pop(name, 0) - count
                if rest:
                    self._untold[name] = rest
                self._full_at[name] = now + seconds + rest * self._interval

    def _make_room(self, now: float) -> None:
        owing = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
        if len(owing) > self._capacity:
            kept = sorted(owing, key=owing.__getitem__)[len(owing) - self._capacity + self._capacity // 10 :]
            owing = {name: owing[name] for name in kept}
        self._full_at = owing
        self._untold = {name: count for name, count in self._untold.items() if name in owing}
