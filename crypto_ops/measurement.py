"""Counts and times each operation, by mode and outcome: the two metrics of the specification. Counts denied uses."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final

import prometheus_client

from kernel.crypto.modes import Mode
from kernel.errors import DomainError
from kernel.observability.metrics import (
    encryption_duration_seconds,
    encryption_operations_total,
    key_use_refusals_total,
    observe_many,
)
from kernel.observability.tracing import with_attribute
from keys import lifecycle
from keys.errors import KeyNotActive, KeyNotUsable, UsageLimitReached
from keys.lifecycle import State, Status

# All reasons, because a counter that begins at 0 also shows its first increase.
_DENIED_USES: Final = {
    reason: key_use_refusals_total.labels(reason)
    for reason in (*Status, "version", UsageLimitReached.code)
    if reason is not Status.ACTIVE
}


@dataclass(slots=True)
class _Measurement:
    """``refused``: the number of refused operations in a batch that otherwise succeeded."""

    mode: Mode
    refused: int = 0


@with_attribute("ciphercanary.algorithm", lambda mode, *_: mode.name)
def observe(mode: Mode, seconds: float, count: int = 1, refused: int = 0) -> None:
    """Count ``count`` operations that took ``seconds`` in total, of which ``refused`` were refused."""
    succeeded, duration = _children(mode.name)
    succeeded.inc(count - refused)
    duration.observe(seconds)
    if refused:
        encryption_operations_total.labels(algorithm=mode.name, status="refused").inc(refused)


def observe_all(algorithm: str, durations: Sequence[float], count: int, refused: int) -> None:
    """``observe`` for many requests at once: ``count`` operations in total, and the seconds of each request."""
    succeeded, duration = _children(algorithm)
    succeeded.inc(count - refused)
    observe_many(duration, durations)
    if refused:
        encryption_operations_total.labels(algorithm=algorithm, status="refused").inc(refused)


@cache
def _children(algorithm: str) -> tuple[prometheus_client.Counter, prometheus_client.Histogram]:
    return (
        encryption_operations_total.labels(algorithm=algorithm, status="success"),
        encryption_duration_seconds.labels(algorithm=algorithm),
    )


@contextmanager
def measured(mode: Mode, count: int = 1) -> Iterator[_Measurement]:
    """Count ``count`` operations as ``success``, except those that ``refused`` of the measurement reports.

    If the block raises, all of them count as ``refused`` (a domain error) or ``error`` (anything else).
    """
    started = time.perf_counter()
    status, measurement = "error", _Measurement(mode)
    try:
        yield measurement
        status = "success"
    except DomainError as refusal:
        status = "refused"
        if isinstance(refusal, KeyNotActive | KeyNotUsable | UsageLimitReached):
            _DENIED_USES[_reason(refusal)].inc(count)
        raise
    finally:
        seconds = time.perf_counter() - started
        if status == "success":
            observe(measurement.mode, seconds, count, measurement.refused)
        else:
            encryption_operations_total.labels(algorithm=mode.name, status=status).inc(count)
            encryption_duration_seconds.labels(algorithm=mode.name).observe(seconds)


def _reason(refusal: KeyNotActive | KeyNotUsable | UsageLimitReached) -> str:
    """The status of the key, or what else forbids the use: the state of the version, or its usage limit."""
    if isinstance(refusal, UsageLimitReached):
        return refusal.code
    state, status = State(str(refusal.extra["state"])), str(refusal.extra["key_status"])
    is_of_version = isinstance(refusal, KeyNotUsable) and lifecycle.may_process(state)
    return "version" if is_of_version else status
