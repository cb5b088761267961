"""Rate limits by client address and by principal.

The count by address (django-ratelimit) is in Redis or in this process. The count by principal is in this process,
which exchanges counts with the other processes through Redis.
"""

import math
import time
from functools import cache

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from django_redis import get_redis_connection

from kernel.errors import Throttled
from kernel.http.addresses import network_of
from kernel.observability.metrics import throttled_total
from kernel.runtime import ProcessState, process_cache, settings_cache
from kernel.throttle.budgets import Budgets, BudgetState
from kernel.throttle.rates import Rate, parse_rate
from kernel.throttle.reconciliation import Reconciliation

__all__ = [
    "BudgetState",
    "Rate",
    "budget_state",
    "charge_principal",
    "check_address",
    "headers",
    "parse_rate",
    "raise_charge",
    "refund_principal",
    "start_reconciling",
    "stop_reconciling",
]


def check_address(request: HttpRequest, *, group: str, rate: str) -> None:
    """Count this request for its client address. Raises Throttled if the rate is exceeded."""
    parsed = parse_rate(rate)
    usage = get_usage(
        request, group=group, key=_address, rate=f"{parsed.count}/{parsed.seconds}s", increment=True
    )
    if usage and usage["should_limit"]:
        throttled_total.labels(scope=group).inc()
        raise Throttled("Too many requests from this address.", retry_after=max(1, usage["time_left"]))


def _address(_group: str, request: HttpRequest) -> str:
    return network_of(getattr(request, "client_ip", ""))


@settings_cache
def _rate() -> str:
    """Of a principal."""
    return str(settings.CC_THROTTLE_PRINCIPAL)


@process_cache
@cache
def _budgets(rate: str) -> Budgets:
    return Budgets(parse_rate(rate), processes=settings.CC_WORKERS)


@cache
def _policy(rate: str) -> tuple[str, str]:
    parsed = parse_rate(rate)
    return ("RateLimit-Policy", f'"principal";q={parsed.count};w={parsed.seconds}')


def charge_principal(principal_id: str, cost: int = 1) -> None:
    """Charge the principal's budget. Raises Throttled, and charges nothing, if the budget is spent."""
    wait = _budgets(_rate()).take(principal_id, cost, time.monotonic())
    if wait:
        throttled_total.labels(scope="principal").inc()
        raise Throttled("You have reached your request limit.", retry_after=math.ceil(wait))


def raise_charge(principal_id: str, cost: int) -> None:
    """Charge ``cost`` instead of the one that the interface has charged. Raises Throttled, and leaves it at one.

    Unlike a second charge, this admits a cost above the whole budget when the budget is full.
    """
    refund_principal(principal_id)
    try:
        charge_principal(principal_id, cost)
    except Throttled:
        charge_principal(principal_id)
        raise


def refund_principal(principal_id: str, cost: int = 1) -> None:
    """Undo a charge, so that a request passed on to Django is not charged twice."""
    _budgets(_rate()).give_back(principal_id, cost)


def budget_state(principal_id: str) -> BudgetState:
    """The remaining budget of the principal."""
    return _budgets(_rate()).budget_state(principal_id, time.monotonic())


def headers(principal_id: str, retry_after: int | None = None) -> tuple[tuple[str, str], tuple[str, str]]:
    """``RateLimit-Policy`` and ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4).

    ``retry_after`` is the ``Retry-After`` of the same response. The window must not end after it (section 6).
    """
    _, remaining, window = budget_state(principal_id)
    if retry_after is not None and retry_after < window:
        window = retry_after
    return _policy(_rate()), ("RateLimit", f'"principal";r={remaining};t={window}')


def start_reconciling() -> None:
    """Start a thread that exchanges counts with other processes. No-op without REDIS_URL or if already started."""
    if settings.REDIS_URL:
        _reconciliation.current.start()


def stop_reconciling() -> None:
    """Report the remaining counts and stop the thread, at the end of a process."""
    _reconciliation.drop()


def _reconcile() -> Reconciliation:
    return Reconciliation(
        _budgets(_rate()),
        get_redis_connection("default"),
        prefix=settings.CC_REDIS_PREFIX,
        processes=settings.CC_WORKERS,
    )


_reconciliation = ProcessState(_reconcile)
