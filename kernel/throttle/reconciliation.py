"""What several processes have taken of one budget, brought together in Redis, without Redis in any request.

A thread of each process tells Redis what was taken here and learns what a principal owes to all processes
together: several times a second, and at once where a principal takes much. Redis holds one key for each principal
who owes something, the moment at which his budget is full again by Redis's own clock. It goes by itself then.
"""

import logging
import threading
import time
import uuid
from contextlib import suppress
from itertools import batched

from redis import Redis
from redis.exceptions import RedisError

from kernel.throttle.budgets import Budgets, Untold

logger = logging.getLogger(__name__)

PERIOD = 0.2  # seconds between two looks
RETRY = 1.0  # seconds, while Redis does not answer
PRESENCE = 5.0  # seconds after which a process without requests shows that it is there
ABSENCE = 15  # seconds after which a silent process is no longer counted
AT_ONCE = 500  # principals: Redis does nothing else meanwhile

# KEYS: the processes, then a budget each. ARGV: this process, ABSENCE, the most that a budget may owe already, then
# the seconds to add to each budget. The answer: how many processes there are, then what each budget owes.
# The most: a clock that was set back must not lock anybody out for as long.
EXCHANGE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
local answer = {redis.call('ZCARD', KEYS[1])}
for i = 2, #KEYS do
  local owed = tonumber(redis.call('GET', KEYS[i]) or now) - now
  owed = math.min(math.max(owed, 0), tonumber(ARGV[3])) + ARGV[i + 2]
  if owed > 0 then
    redis.call('SET', KEYS[i], string.format('%.6f', now + owed), 'PX', math.ceil(owed * 1000))
  else
    redis.call('DEL', KEYS[i])
  end
  answer[i] = string.format('%.6f', math.max(owed, 0))
end
return answer
"""


class Reconciliation:
    """Reconciles ``budgets`` through ``client``, in a thread from ``start`` until ``stop``.

    ``prefix`` stands in front of every key; ``processes`` is what is supposed until Redis tells the number.
    """

    def __init__(self, budgets: Budgets, client: Redis, *, prefix: str, processes: int = 1) -> None:
        self._budgets = budgets
        self._client = client
        self._exchange = client.register_script(EXCHANGE)
        self._processes_key = f"{prefix}:processes"
        # Another rate is another budget: what is owed under one means nothing under the other.
        self._budget_prefix = f"{prefix}:budget:{budgets.rate.count}/{budgets.rate.seconds}s:"
        self._me = uuid.uuid4().hex
        self._processes = processes
        self._seen_at = 0.0
        self._answers = True
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="budgets", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell what is untold and leave; the budgets count alone again."""
        self._ends = True
        self._budgets.alarm.set()
        self._thread.join()

    def look(self) -> None:
        """Tell what was taken here, learn what all have taken. Without Redis the budgets count alone."""
        try:
            self._reconcile()
        except RedisError:
            if self._answers:
                logger.warning("redis unavailable, counting the budgets of principals in this process")
            self._answers = False
            self._budgets.count_alone(self._processes)
        else:
            self._answers = True

    def _reconcile(self) -> None:
        now = time.monotonic()
        untold = self._budgets.untold(now)
        if not untold and self._answers and now - self._seen_at < PRESENCE:
            return
        for told in list(batched(untold, AT_ONCE)) or [()]:
            self._tell(told)
        self._seen_at = now

    def _tell(self, told: tuple[Untold, ...]) -> None:
        keys = [self._processes_key, *(self._budget_prefix + name for name, _, _ in told)]
        most = 2 * self._budgets.rate.seconds
        answer = self._exchange(keys, [self._me, ABSENCE, most, *(due for _, _, due in told)])
        self._processes = int(answer[0])
        self._budgets.settle(told, map(float, answer[1:]), time.monotonic())
        self._budgets.count_together(self._processes)

    def _run(self) -> None:
        try:
            while not self._ends:
                self.look()
                self._budgets.alarm.wait(PERIOD if self._answers else RETRY)
                self._budgets.alarm.clear()
            self.look()
            with suppress(RedisError):
                self._client.zrem(self._processes_key, self._me)
        finally:
            self._budgets.count_alone(self._processes)
