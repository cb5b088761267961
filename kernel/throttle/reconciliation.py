"""Combines the charges of several processes through Redis, without Redis in the path of a request.

A thread of each process reports its charges to Redis and reads each principal's debt to all processes together:
several times a second, and at once for a very active principal. Redis holds one key for each principal in debt: the
time, by Redis's own clock, at which the budget is full again. The key expires then.
"""

import logging
import threading
import time
import uuid
from contextlib import suppress
from itertools import batched

from redis import Redis
from redis.exceptions import RedisError

from kernel.throttle.budgets import Budgets, Unreported

logger = logging.getLogger(__name__)

_PERIOD = 0.2  # seconds between two exchanges
_RETRY = 1.0  # seconds, while Redis does not respond
_PRESENCE = 5.0  # seconds after which a process without requests reports its presence
ABSENCE = 15  # seconds after which a silent process is no longer counted
AT_ONCE = 500  # principals: the script blocks Redis meanwhile

# KEYS: the processes, then one per budget. ARGV: this process, ABSENCE, the maximum debt of a budget, then the
# seconds to add to each budget. Returns the number of processes, then the debt of each budget. The maximum limits
# the lock-out after the clock of Redis has been set back.
_EXCHANGE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
local reply = {redis.call('ZCARD', KEYS[1])}
for i = 2, #KEYS do
  local owed = tonumber(redis.call('GET', KEYS[i]) or now) - now
  owed = math.min(math.max(owed, 0), tonumber(ARGV[3])) + ARGV[i + 2]
  if owed > 0 then
    redis.call('SET', KEYS[i], string.format('%.6f', now + owed), 'PX', math.ceil(owed * 1000))
  else
    redis.call('DEL', KEYS[i])
  end
  reply[i] = string.format('%.6f', math.max(owed, 0))
end
return reply
"""


class Reconciliation:
    """Reconciles ``budgets`` through ``client``, in a thread from ``start`` until ``close``.

    ``prefix`` begins every key. ``processes`` is the assumed number of processes until Redis reports the actual
    one.
    """

    def __init__(self, budgets: Budgets, client: Redis, *, prefix: str, processes: int = 1) -> None:
        self._budgets = budgets
        self._client = client
        self._exchange = client.register_script(_EXCHANGE)
        self._processes_key = f"{prefix}:processes"
        # A different rate is a different budget: debt under one rate means nothing under another.
        self._budget_prefix = f"{prefix}:budget:{budgets.rate.count}/{budgets.rate.seconds}s:"
        self._me = uuid.uuid4().hex
        self._processes = processes
        self._seen_at = 0.0
        self._responds = True
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="budgets", daemon=True)

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if not self._thread.is_alive():
            self._thread.start()

    def close(self) -> None:
        """Report the remaining charges and stop the thread. The budgets then count alone."""
        self._ends = True
        self._budgets.alarm.set()
        self._thread.join()

    def run_once(self) -> None:
        """Report the charges of this process and read the combined debt. Without Redis, the budgets count alone."""
        try:
            self._reconcile()
        except RedisError:
            if self._responds:
                logger.warning("redis unavailable, counting the budgets of principals in this process")
            self._responds = False
            self._budgets.count_alone(self._processes)
        else:
            self._responds = True

    def _reconcile(self) -> None:
        now = time.monotonic()
        unreported = self._budgets.unreported(now)
        if not unreported and self._responds and now - self._seen_at < _PRESENCE:
            return
        for reported in list(batched(unreported, AT_ONCE)) or [()]:
            self._report(reported)
        self._seen_at = now

    def _report(self, reported: tuple[Unreported, ...]) -> None:
        keys = [self._processes_key, *(self._budget_prefix + name for name, _, _ in reported)]
        most = 2 * self._budgets.rate.seconds
        reply = self._exchange(keys, [self._me, ABSENCE, most, *(due for _, _, due in reported)])
        self._processes = int(reply[0])
        self._budgets.settle(reported, map(float, reply[1:]), time.monotonic())
        self._budgets.count_together(self._processes)

    def _run(self) -> None:
        try:
            while not self._ends:
                self.run_once()
                self._budgets.alarm.wait(_PERIOD if self._responds else _RETRY)
                self._budgets.alarm.clear()
            self.run_once()
            with suppress(RedisError):
                self._client.zrem(self._processes_key, self._me)
        finally:
            self._budgets.count_alone(self._processes)
