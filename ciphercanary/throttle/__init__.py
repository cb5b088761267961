"""Rates: by client address (django-ratelimit, in Redis or in this process) and by principal (in this process, which
hears of the others through Redis).
"""

import math
import time
from functools import cache

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from django_redis import get_redis_connection

from ciphercanary.addresses import network_of
from ciphercanary.errors import Throttled
from ciphercanary.metrics import throttled_total
from ciphercanary.throttle.budgets import Budgets, Standing
from ciphercanary.throttle.rates import Rate, parse_rate
from ciphercanary.throttle.reconciliation import Reconciliation

__all__ = [
    "Rate",
    "Standing",
    "charge_principal",
    "check_address",
    "forget",
    "headers",
    "parse_rate",
    "refund_principal",
    "standing",
    "start_reconciling",
    "stop_reconciling",
]

_reconciliation: Reconciliation | None = None


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


@cache
def _budgets(rate: str) -> Budgets:
    return Budgets(parse_rate(rate), processes=settings.CC_WORKERS)


@cache
def _policy(rate: str) -> tuple[str, str]:
    parsed = parse_rate(rate)
    return ("RateLimit-Policy", f'"principal";q={parsed.count};w={parsed.seconds}')


def charge_principal(principal_id: str, cost: int = 1) -> None:
    """Charge the principal's budget. Raises Throttled where it is spent; nothing is charged then."""
    wait = _budgets(settings.CC_THROTTLE_PRINCIPAL).take(principal_id, cost, time.monotonic())
    if wait:
        throttled_total.labels(scope="principal").inc()
        raise Throttled("You have reached your request limit.", retry_after=math.ceil(wait))


def refund_principal(principal_id: str, cost: int = 1) -> None:
    """Undo a charge: who hands a request on to another door does not have it charged twice."""
    _budgets(settings.CC_THROTTLE_PRINCIPAL).give_back(principal_id, cost)


def standing(principal_id: str) -> Standing:
    """What is left of the principal's budget."""
    return _budgets(settings.CC_THROTTLE_PRINCIPAL).standing(principal_id, time.monotonic())


def headers(principal_id: str, retry_after: int | None = None) -> tuple[tuple[str, str], tuple[str, str]]:
    """``RateLimit-Policy`` and ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4).

    ``retry_after`` is the answer's own ``Retry-After``: the window must not end after it (section 6).
    """
    _, remaining, window = standing(principal_id)
    if retry_after is not None and retry_after < window:
        window = retry_after
    return _policy(settings.CC_THROTTLE_PRINCIPAL), ("RateLimit", f'"principal";r={remaining};t={window}')


def start_reconciling() -> None:
    """Hear of what other processes take, in a thread of this one; nothing without REDIS_URL, or the second time."""
    global _reconciliation  # noqa: PLW0603 - one thread per process
    if _reconciliation is None and settings.REDIS_URL:
        _reconciliation = Reconciliation(
            _budgets(settings.CC_THROTTLE_PRINCIPAL),
            get_redis_connection("default"),
            prefix=settings.CC_REDIS_PREFIX,
            processes=settings.CC_WORKERS,
        )
        _reconciliation.start()


def stop_reconciling() -> None:
    """Tell what is untold, and end the thread. For the end of a process."""
    global _reconciliation  # noqa: PLW0603 - one thread per process
    if _reconciliation is not None:
        _reconciliation.stop()
        _reconciliation = None


def forget() -> None:
    """Fill every budget of this process, which hears of no other from here on."""
    stop_reconciling()
    _budgets.cache_clear()
