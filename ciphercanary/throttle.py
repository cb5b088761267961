"""Rates: by client address (django-ratelimit, in Redis or in this process) and by principal (in this process)."""

import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage

from ciphercanary.addresses import network_of
from ciphercanary.errors import Throttled
from ciphercanary.metrics import throttled_total

PERIOD_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
RATE = re.compile(r"(\d+)/(second|minute|hour|day)")
MAX_BUCKETS = 100_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` requests in ``seconds``."""

    count: int
    seconds: int


@cache
def parse_rate(text: str) -> Rate:
    """``100/minute`` as a rate. Raises ValueError for any other form."""
    match = RATE.fullmatch(text)
    if not match or not int(match[1]):
        raise ValueError(f"{text!r} is not a rate like 100/minute")
    return Rate(int(match[1]), PERIOD_SECONDS[match[2]])


def check_address(request: HttpRequest, *, group: str, rate: str) -> None:
    """Count this request for its client address. Raises Throttled once the rate is exceeded."""
    parsed = parse_rate(rate)
    usage = get_usage(
        request, group=group, key=_address, rate=f"{parsed.count}/{parsed.seconds}s", increment=True
    )
    if usage and usage["should_limit"]:
        throttled_total.labels(scope=group).inc()
        raise Throttled("Too many requests from this address.", retry_after=max(1, usage["time_left"]))


def _address(_group: str, request: HttpRequest) -> str:
    return network_of(getattr(request, "client_ip", ""))


class TokenBuckets:
    """A token bucket for each principal: a full one holds ``rate.count`` and refills evenly.

    Bounded: the bucket least recently used goes first, and comes back full.
    """

    def __init__(self, rate: Rate, capacity: int = MAX_BUCKETS) -> None:
        self._rate = rate
        self._capacity = capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, cost: int, now: float) -> float:
        """Take ``cost`` tokens at ``now`` (seconds, monotonic); 0.0, or the seconds until they are there."""
        per_second = self._rate.count / self._rate.seconds
        with self._lock:
            level, since = self._buckets.pop(name, (float(self._rate.count), now))
            level = min(float(self._rate.count), level + (now - since) * per_second)
            taken = level >= cost
            self._buckets[name] = (level - cost if taken else level, now)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
        return 0.0 if taken else (cost - level) / per_second


@cache
def _principal_buckets(rate: str) -> TokenBuckets:
    return TokenBuckets(parse_rate(rate))


def charge_principal(principal_id: str, cost: int = 1) -> None:
    """Charge the principal's budget of this process. Raises Throttled where it is spent."""
    wait = _principal_buckets(settings.CC_THROTTLE_PRINCIPAL).take(principal_id, cost, time.monotonic())
    if wait:
        throttled_total.labels(scope="principal").inc()
        raise Throttled("Your request budget is spent.", retry_after=int(wait) + 1)


def forget() -> None:
    """Fill every bucket of this process."""
    _principal_buckets.cache_clear()
